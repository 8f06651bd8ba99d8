"""What an attacker tries inside a pod: prints a line `NAME: why it failed` or `NAME: OPEN` for each attempt.

`attack.py NODE_ADDRESS API_ADDRESS HOST_PID`. Standard library only.
"""

import ctypes
import os
import signal
import socket
import ssl
import struct
import sys
import urllib.error
import urllib.request

NODE, API, HOST_PID = sys.argv[1], sys.argv[2], int(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
NUMBERS = {
    "mount": (165, 40), "unshare": (272, 97), "bpf": (321, 280), "ptrace": (101, 117), "keyctl": (250, 219),
    "io_uring_setup": (425, 425), "perf_event_open": (298, 241), "open_by_handle_at": (304, 265), "chroot": (161, 51),
    "setns": (308, 268), "init_module": (175, 105), "reboot": (169, 142), "mknodat": (259, 33),
    "process_vm_readv": (310, 270), "pidfd_getfd": (438, 438), "userfaultfd": (323, 282), "move_mount": (429, 429),
    "fsopen": (430, 430), "open_tree": (428, 428), "swapon": (167, 224), "syslog": (103, 116), "quotactl": (179, 60),
}  # fmt: skip
CLONE_NEWUSER = 0x10000000


def call(name, *arguments):
    """A system call. Raises OSError."""
    if libc.syscall(NUMBERS[name][0 if X86 else 1], *arguments) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def read(path):
    """Whether a file holds anything for us."""
    with open(path, "rb") as file:
        if not file.read(1):
            raise OSError("empty")


def listed(path):
    """Whether a directory holds anything."""
    if not os.listdir(path):
        raise OSError("empty")


def write(path, text):
    """Writes to a file that exists."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def clone_user():
    """A user namespace by clone()."""
    pid = libc.syscall(56 if X86 else 220, CLONE_NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    if pid < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def https(address, path):
    """An answer other than 401 or 403."""
    context = ssl._create_unverified_context()
    try:
        urllib.request.urlopen(f"https://{address}{path}", context=context, timeout=3).read()
    except urllib.error.HTTPError as error:
        raise OSError(f"HTTP {error.code}") from None


def others_environ():
    """The environment of a process that isn't ours."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            read(f"/proc/{name}/environ")
            return
    raise OSError("no other process")


def through_init():
    """A file beyond the root, by the first process's root."""
    read("/proc/1/root/var/lib/kubelet/crun/secret")


def abstract():
    """Names of the machine's abstract sockets."""
    with open("/proc/net/unix") as table:
        if not [line for line in table if "@" in line]:
            raise OSError("none")


def device():
    """A disk's device file, made or found."""
    call("mknodat", -100, b"/tmp/disk", 0o060600, os.makedev(254, 0))


def tun():
    """A device that makes network links."""
    read("/dev/net/tun")


ATTEMPTS = {
    **{f"read {p}": (lambda p=p: read(p)) for p in (
        "/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/ssh/sshd_config", "/proc/kcore", "/proc/keys",
        "/dev/mem", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/nvme0n1", "/proc/1/mem", "/proc/timer_list",
    )},
    **{f"list {p}": (lambda p=p: listed(p)) for p in (
        "/root", "/home", "/run", "/var/run", "/tmp", "/var/tmp", "/var/log", "/var/lib/kube46", "/var/lib/kubelet",
        "/etc/ssl/private", "/etc/sudoers.d", "/boot", "/var/spool", "/sys/fs/bpf", "/sys/firmware",
        "/sys/kernel/debug", "/sys/kernel/tracing", "/dev/mqueue", "/dev/shm", "/var/backups",
    )},
    "core_pattern": lambda: write("/proc/sys/kernel/core_pattern", b"|/tmp/x"),
    "sysrq": lambda: write("/proc/sysrq-trigger", b"h"),
    "sysctl": lambda: write("/proc/sys/net/ipv4/ip_forward", b"1"),
    "modprobe path": lambda: write("/proc/sys/kernel/modprobe", b"/tmp/x"),
    "uevent_helper": lambda: write("/sys/kernel/uevent_helper", b"/tmp/x"),
    **{f"own cgroup {p}": (lambda p=p: write(f"/sys/fs/cgroup/{p}", b"1000000000")) for p in (
        "cpu/cpu.shares", "cpu.weight", "memory/memory.limit_in_bytes", "memory.max", "pids/pids.max", "pids.max",
        "memory/cgroup.clone_children",
    )},
    **{f"new cgroup {p}": (lambda p=p: os.mkdir(f"/sys/fs/cgroup/{p}")) for p in ("x", "cpu/x", "pids/x", "memory/x")},
    "other cgroups": lambda: listed("/sys/fs/cgroup/memory/../../../fs/cgroup/kube46"),
    "sys write": lambda: write("/sys/kernel/mm/transparent_hugepage/enabled", b"never"),
    "usr write": lambda: write("/usr/bin/env", b""),
    "etc write": lambda: os.mkdir("/etc/x"),
    "remount": lambda: call("mount", b"", b"/", b"", 32, None),
    "mount tmpfs": lambda: call("mount", b"t", b"/mnt", b"tmpfs", 0, None),
    "mount proc": lambda: call("mount", b"p", b"/mnt", b"proc", 0, None),
    "move_mount": lambda: call("move_mount", -100, b"/", -100, b"/mnt", 0),
    "fsopen": lambda: call("fsopen", b"tmpfs", 0),
    "open_tree": lambda: call("open_tree", -100, b"/", 1),
    "unshare user": lambda: call("unshare", CLONE_NEWUSER),
    "clone user": clone_user,
    "setns": lambda: call("setns", os.open("/proc/1/ns/net", os.O_RDONLY), 0),
    "bpf": lambda: call("bpf", 0, ctypes.create_string_buffer(struct.pack("IIII", 2, 4, 4, 1) + b"\0" * 60), 76),
    "ptrace init": lambda: call("ptrace", 16, 1, 0, 0),
    "process_vm_readv": lambda: call("process_vm_readv", 1, None, 0, None, 0, 0),
    "pidfd_getfd": lambda: call("pidfd_getfd", os.pidfd_open(1), 0, 0),
    "keyctl": lambda: call("keyctl", 0, -3, 0),
    "io_uring": lambda: call("io_uring_setup", 1, ctypes.create_string_buffer(120)),
    "perf": lambda: call("perf_event_open", ctypes.create_string_buffer(120), 0, -1, -1, 0),
    "by handle": lambda: call("open_by_handle_at", 3, ctypes.create_string_buffer(64), 0),
    "userfaultfd": lambda: call("userfaultfd", 0),
    "chroot": lambda: call("chroot", b"/usr"),
    "init_module": lambda: call("init_module", None, 0, b""),
    "reboot": lambda: call("reboot", 0xFEE1DEAD, 672274793, 0, 0),
    "swapon": lambda: call("swapon", b"/tmp/x", 0),
    "dmesg": lambda: call("syslog", 3, ctypes.create_string_buffer(64), 64),
    "mknod": device,
    "chown": lambda: os.chown("/tmp", 12345, 12345) if os.geteuid() else os.chown("/usr/bin/env", 1, 1),
    "setuid": lambda: os.setuid(0 if os.geteuid() else 1),
    "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "raw socket v6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58),
    "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0),
    "alg socket": lambda: socket.socket(38, socket.SOCK_SEQPACKET),
    "vsock": lambda: socket.socket(40, socket.SOCK_STREAM),
    "bluetooth": lambda: socket.socket(31, socket.SOCK_RAW, 1),
    "hostname": lambda: socket.sethostname("evil"),
    "signal host": lambda: os.kill(HOST_PID, 0),
    "signal outside": lambda: os.kill(-1, 0) if os.listdir("/proc") and False else os.kill(2**22 - 5, 0),
    "others' environ": others_environ,
    "init's root": through_init,
    "abstract sockets": abstract,
    "tun": tun,
    "docker": lambda: socket.socket(socket.AF_UNIX).connect("/run/docker.sock"),
    "cni socket": lambda: socket.socket(socket.AF_UNIX).connect("/run/kube46/agent/cni.sock"),
    "dbus": lambda: socket.socket(socket.AF_UNIX).connect("/run/dbus/system_bus_socket"),
    "named's control": lambda: socket.create_connection((NODE.strip("[]"), 953), 2),
    "api without token": lambda: https(API, "/api/v1/pods"),
    "kubelet pods": lambda: https(f"{NODE}:10250", "/pods"),
    "kubelet metrics": lambda: https(f"{NODE}:10250", "/metrics"),
    "kubelet exec": lambda: https(f"{NODE}:10250", "/exec/default/x/main?command=id&output=1"),
    "rlimit": lambda: __import__("resource").setrlimit(7, (10**6, 10**6)),
    "nice": lambda: os.nice(-5),
    "oom": lambda: write("/proc/self/oom_score_adj", b"-900"),
    "set time": lambda: __import__("time").clock_settime(0, 1e9),
}  # fmt: skip

for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except Exception as error:
        print(f"{name}: {error}", flush=True)
    else:
        print(f"{name}: OPEN", flush=True)
