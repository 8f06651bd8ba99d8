// Programs that speak to an API server as Go operators do; kube46's tests run them (tools/go-programs.sh builds them).
//
//	clients operator   a controller-runtime operator: leader election, caches, owned objects, finalizer, status, Events
//	clients informers  client-go's shared informers, typed, metadata and dynamic: every event as a line of JSON
//	clients codec      reads objects in protobuf, writes them as JSON and as Go's own protobuf
//
// Each is one program of one binary: linking is half of the build.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	programs := map[string]func(context.Context, []string) error{
		"operator": operator, "informers": informers, "codec": codec,
	}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: clients operator|informers|codec")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := programs[os.Args[1]](ctx, os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
