#!/usr/bin/perl
# A CNI plugin of kube46, named as this file is called. It hands the request to the agent of this node; where none runs,
# to a helper that the first such request starts and that ends some seconds after the last one. Where neither can take it,
# it becomes the Python program that does the work itself. No module is loaded: perl starts in a millisecond or two.
# Written by `kube46 cni install`, which puts the paths below in place.
my $agent   = '@SOCKET@';
my $helpers = '@HELPERS@';
my @python  = ('@PYTHON@', '-I', '-m');

my ($plugin) = $0 =~ m{([^/]+)$};
exec @python, 'kube46.cni.plugin', $plugin unless $ENV{CNI_COMMAND};
binmode STDIN;
binmode STDOUT;
my $input = do { local $/; <STDIN> } // '';

# Who serves is told where we stand, and does the work only if it stands there, too, and sees the same pod: its mounts or
# process ids may be other ones, in a container.
my $network = readlink('/proc/self/ns/net') // '';
my @pod = stat($ENV{CNI_NETNS} // '');
my @fields = ($plugin, $network, @pod ? "$pod[0]:$pod[1]" : '', map { "$_=$ENV{$_}" } grep { /^CNI_/ } keys %ENV);
$SIG{PIPE} = 'IGNORE';
hand_over($agent);
if ($helpers ne '') {
    my ($name) = join('.', $network, readlink('/proc/self/ns/mnt') // '') =~ s/[^0-9.]//gr;
    hand_over("$helpers/$name") and start_helper("$helpers/$name") and hand_over("$helpers/$name");
}

my ($read, $write);
pipe($read, $write) or refuse(5, 'No pipe', "$!.");
my $child = fork // refuse(5, 'No process', "$!.");
if ($child == 0) {
    close $read;
    syswrite_all($write, $input);
    exit 0;
}
close $write;
open(STDIN, '<&', $read) or refuse(5, 'No standard input', "$!.");
{ no warnings; exec { $python[0] } @python, 'kube46.cni.plugin', $plugin; }
refuse(5, "The plugin cannot be started", "$python[0]: $!; run kube46 cni install again.");

# Does not return when the request was answered; returns whether nobody listens there. The numbers (AF_UNIX, SOCK_STREAM with
# SOCK_NONBLOCK, F_SETFL, EAGAIN) are those of every Linux architecture but MIPS, SPARC and Alpha.
sub hand_over {
    my ($path) = @_;
    my $server;
    return 1 unless length($path) < 108 && socket($server, 1, 2049, 0);
    unless (connect($server, pack('S a108', 1, $path))) {
        refuse(11, 'The node is busy', "$path: its queue is full; try again later.") if $! == 11;
        return 1;
    }
    fcntl($server, 4, 0);
    $SIG{ALRM} = sub { refuse(11, 'No answer', "$path gave no answer in 110 s; try again.") };
    alarm 110;
    syswrite_all($server, join('', map { "$_\0" } @fields) . "\0" . $input);
    shutdown($server, 1);
    my $answer = do { local $/; <$server> } // '';
    alarm 0;
    if ($answer =~ s/^([0-9]+)\n//) {
        my $status = $1;
        print $answer;
        exit $status;
    }
    refuse(11, 'Who did the work ended', "$path: try again, after a DEL if this was an ADD.") unless $answer eq "elsewhere\n";
    return 0;
}

# Returns whether a helper listens now. One at a time: of many first requests one starts it, the others find it.
sub start_helper {
    my ($path) = @_;
    my ($lock, $ready, $started, $up);
    for my $end (1 .. length $helpers) {
        mkdir substr($helpers, 0, $end), 0755 if $end == length $helpers || substr($helpers, $end, 1) eq '/';
    }
    return 0 unless open($lock, '<', $helpers) && flock($lock, 2);
    return 1 if socket($up, 1, 1, 0) && connect($up, pack('S a108', 1, $path));
    return 0 unless pipe($ready, $started);
    my $child = fork // return 0;
    if ($child == 0) {
        open(STDIN,  '<', '/dev/null');
        open(STDOUT, '>&', $started);
        open(STDERR, '>', '/dev/null');
        %ENV = (PATH => $ENV{PATH} // '/usr/sbin:/usr/bin:/sbin:/bin');
        { no warnings; exec { $python[0] } @python, 'kube46.cni.helper', $path; }
        exit 1;
    }
    close $started;
    return defined(<$ready>);
}

sub refuse {
    my ($code, $message, $details) = @_;
    my ($version) = $input =~ /"cniVersion"\s*:\s*"([0-9.]+)"/;
    s/(["\\])/\\$1/g for $message, $details;
    printf '{"cniVersion":"%s","code":%d,"msg":"%s","details":"%s"}' . "\n", $version // '1.1.0', $code, $message, $details;
    exit 1;
}

sub syswrite_all {
    my ($handle, $data) = @_;
    while (length $data) {
        my $written = syswrite($handle, $data) // return;
        $data = substr($data, $written);
    }
}
