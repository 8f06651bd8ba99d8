"""The system calls that containers may not make: a table, and the OCI profile made of it (pure).

Everything else is allowed, so programs newer than this list work. Refused is what reaches beyond a container or was the
door of kernel exploits: the calls that Docker's and containerd's default profiles refuse without a capability.
"""

from typing import Any

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97
NAMESPACES = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
AF_PACKET = 17  # the last family that a program may need: before it UNIX, INET, INET6, NETLINK
# What CAP_SYS_PTRACE is for: debuggers have it.
TRACING = ("ptrace", "process_vm_readv", "process_vm_writev", "kcmp")
# Why each group is refused.
REFUSED: dict[str, str] = {
    "mounts": "mount umount umount2 pivot_root move_mount fsopen fsconfig fsmount fspick open_tree mount_setattr "
    "chroot",
    "other processes": "ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd",
    "namespaces": "unshare setns",
    "kernel code": "bpf init_module finit_module delete_module create_module query_module get_kernel_syms kexec_load "
    "kexec_file_load perf_event_open lookup_dcookie",
    "keyrings, which have no namespace": "keyctl add_key request_key",
    "the machine": "reboot swapon swapoff acct quotactl quotactl_fd syslog iopl ioperm vm86 vm86old nfsservctl "
    "settimeofday clock_settime clock_adjtime adjtimex stime uselib ustat sysfs _sysctl",
    "files by handle, past mounts": "open_by_handle_at name_to_handle_at",
    "32-bit calls whose arguments a filter can't see": "socketcall",
    "exploit helpers": "userfaultfd io_uring_setup io_uring_enter io_uring_register",
    "memory of other nodes": "move_pages migrate_pages",
}
ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def _masked(index: int, mask: int) -> dict[str, Any]:
    """Matches when any bit of `mask` is set is not expressible; one rule a bit is."""
    return {"index": index, "value": mask, "valueTwo": mask, "op": "SCMP_CMP_MASKED_EQ"}


def profile(machine: str, *allowed: str) -> dict[str, Any]:
    """The OCI `linux.seccomp` object for a machine (`uname -m`), `allowed` being calls that are not refused."""
    refused = sorted(set(" ".join(REFUSED.values()).split()) - set(allowed))
    bits = [1 << bit for bit in range(32) if NAMESPACES & (1 << bit)]
    rules: list[dict[str, Any]] = [
        {"names": refused, "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM},
        # clone3's flags lie in memory where a filter can't look; ENOSYS makes C libraries use clone.
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS},
        *(
            {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": EPERM, "args": [_masked(0, bit)]}
            for bit in bits
        ),
        # Families beyond these load kernel modules of their own, and are rarely looked at.
        {
            "names": ["socket", "socketpair"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": EAFNOSUPPORT,
            "args": [{"index": 0, "value": AF_PACKET, "op": "SCMP_CMP_GT"}],
        },
    ]
    return {"defaultAction": "SCMP_ACT_ALLOW", "architectures": ARCHITECTURES.get(machine, []), "syscalls": rules}
