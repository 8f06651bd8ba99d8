#!/bin/sh
# What the nginx image of a stand-alone kube46 cluster starts with, as nginx's own image does: logs to the container's
# output, templates filled in, /docker-entrypoint.d. Source: the nginx image's documentation on Docker Hub.
set -eu
mkdir -p /var/log/nginx
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
case ${1:-} in nginx | nginx-debug) ;; *) exec "$@" ;; esac

# Only variables that are set are replaced: nginx has its own.
for template in /etc/nginx/templates/*.template; do
    if [ -f "$template" ]; then
        perl -pe 's/\$\{(\w+)\}|\$(\w+)/$ENV{$1 \/\/ $2} \/\/ $&/ge' "$template" \
            >"/etc/nginx/conf.d/$(basename "$template" .template)"
    fi
done
for script in /docker-entrypoint.d/*.sh; do
    if [ -x "$script" ]; then "$script"; fi
done
exec "$@"
