#!/usr/bin/perl
# A CNI plugin of kube46, named as this file is called. It hands the request to the agent of this node; where none runs,
# it becomes the Python program that does the work itself. No module is loaded: perl starts in a millisecond or two.
# Written by `kube46 cni install`, which puts the two paths below in place.
my $socket  = '@SOCKET@';
my @program = ('@PYTHON@', '-I', '-m', 'kube46.cni.plugin');

my ($plugin) = $0 =~ m{([^/]+)$};
exec @program, $plugin unless $ENV{CNI_COMMAND};
binmode STDIN;
binmode STDOUT;
my $input = do { local $/; <STDIN> } // '';

sub refuse {
    my ($code, $message, $details) = @_;
    my ($version) = $input =~ /"cniVersion"\s*:\s*"([0-9.]+)"/;
    s/(["\\])/\\$1/g for $message, $details;
    printf '{"cniVersion":"%s","code":%d,"msg":"%s","details":"%s"}' . "\n", $version // '1.1.0', $code, $message, $details;
    exit 1;
}

# AF_UNIX and SOCK_STREAM are 1 on every Linux architecture but MIPS.
my ($agent, $read, $write);
if (socket($agent, 1, 1, 0) && connect($agent, pack('S a108', 1, $socket))) {
    $SIG{PIPE} = 'IGNORE';
    $SIG{ALRM} = sub { refuse(11, 'The agent did not answer', "$socket gave no answer in 110 s; try again.") };
    alarm 110;
    # The agent serves its own network namespace only, and only pods that it sees where we see them (its mounts or process
    # ids may be other ones, in a container), so it is told which those are here.
    my @pod = stat($ENV{CNI_NETNS} // '');
    my @fields = ($plugin, readlink('/proc/self/ns/net') // '', @pod ? "$pod[0]:$pod[1]" : '', map { "$_=$ENV{$_}" } grep { /^CNI_/ } keys %ENV);
    syswrite_all($agent, join('', map { "$_\0" } @fields) . "\0" . $input);
    shutdown($agent, 1);
    my $answer = do { local $/; <$agent> } // '';
    alarm 0;
    if ($answer =~ s/^([0-9]+)\n//) {
        my $status = $1;
        print $answer;
        exit $status;
    }
    refuse(11, 'The agent ended while it worked', 'Try again, after a DEL if this was an ADD.') unless $answer eq "elsewhere\n";
}

pipe($read, $write) or refuse(5, 'No pipe', "$!.");
my $child = fork // refuse(5, 'No process', "$!.");
if ($child == 0) {
    close $read;
    syswrite_all($write, $input);
    exit 0;
}
close $write;
open(STDIN, '<&', $read) or refuse(5, 'No standard input', "$!.");
{ no warnings; exec { $program[0] } @program, $plugin; }
refuse(5, "The plugin cannot be started", "$program[0]: $!; run kube46 cni install again.");

sub syswrite_all {
    my ($handle, $data) = @_;
    while (length $data) {
        my $written = syswrite($handle, $data) // return;
        $data = substr($data, $written);
    }
}
