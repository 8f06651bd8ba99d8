"""Why specs of upstream's suite do not pass, by a regular expression of their text: found by looking, one by one."""

REASONS: tuple[tuple[str, str], ...] = (
    (r"\[Provider:gce\]", "Asks for names of Google's cloud; it skips itself elsewhere."),
    (
        r"ImageVolume",
        "Asks the image kitten for Alpine's /etc/os-release, where Debian's programs are; images are no volumes here. "
        "It would take that kind of volume in the kubelet, and an image of Alpine.",
    ),
    (
        r"InitContainer should not start app containers and fail the pod",
        "An init container that was made and not yet started said ContainerCreating: this run caught it in that "
        "moment. Mended after this run: PodInitializing, as upstream.",
    ),
    (
        r"read only busybox",
        "Wants the words of busybox' own shell. In the image made here sh is bash, since Debian's busybox drops "
        "variables whose names are no identifiers, which other specs set. It would take another build of busybox.",
    ),
    (
        r"pod failure policy (to ignore|on exit code)",
        "Its pods write to a host path from a privileged container. kube46's kubelet runs none: its pods live on a "
        "machine that is not theirs. It would take privileged containers for clusters that are told to allow them.",
    ),
)
