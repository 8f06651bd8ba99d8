#!/bin/sh
# A CNI plugin for these tests: a veth pair with an address of each family, numbered by the namespace's name.
set -eu
input=$(cat)
state=$(printf %s "$input" | sed -n 's/.*"stateDir": *"\([^"]*\)".*/\1/p')
# A short name for the node's end: links have at most 15 characters.
link=e$(printf %s "$CNI_CONTAINERID" | md5sum | cut -c1-10)
case $CNI_COMMAND in
ADD)
    exec 9>"$state/lock"
    flock 9
    number=$(($(cat "$state/last" 2>/dev/null || echo 1) + 1))
    echo "$number" >"$state/last"
    four=10.99.$((number / 250)).$((number % 250 + 1))
    name=${CNI_NETNS##*/}
    ip link add "$link" type veth peer name "$CNI_IFNAME" netns "$name"
    ip -batch - <<EOF
link set $link up
route add $four/32 dev $link
route add fd99::$number/128 dev $link
addr add 169.254.7.1/32 dev $link
addr add fe80::7/64 dev $link nodad
EOF
    ip -n "$name" -batch - <<EOF
link set $CNI_IFNAME up
addr add $four/32 dev $CNI_IFNAME
addr add fd99::$number/128 dev $CNI_IFNAME nodad
route add default dev $CNI_IFNAME
route add ::/0 via fe80::7 dev $CNI_IFNAME
EOF
    echo "ADD $CNI_ARGS" >>"$state/calls"
    cat <<EOF
{"cniVersion":"1.0.0","interfaces":[{"name":"$CNI_IFNAME","sandbox":"$CNI_NETNS"}],
 "ips":[{"address":"fd99::$number/128","interface":0},{"address":"$four/32","interface":0}]}
EOF
    ;;
DEL)
    ip link delete "$link" 2>/dev/null || true
    echo "DEL $CNI_CONTAINERID" >>"$state/calls"
    ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
esac
