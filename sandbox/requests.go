package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

const requestsHelp = `Ask a URL at which the test application answers, without pause, until a signal comes.

Each request becomes one line of JSON on standard output when it is over, in that
order: "at" (time), "took" (nanoseconds), "version" and "pod" (who answered, if
anybody), "failure" (refused, reset, timeout, unreachable, status or other; none
for a good answer) and "error". The sum of it goes to standard error.`

func requestsCommand() *cobra.Command {
	var cfg requests.Config
	var length time.Duration
	c := &cobra.Command{
		Use: "requests [flags] URL", Args: cobra.ExactArgs(1),
		Short:   "Ask a Service without pause and tell which version answered each request, or how it failed",
		Long:    requestsHelp,
		Example: `  sandbox requests --for 30s http://$(kubectl get service web -o jsonpath={.spec.clusterIP})/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if u, err := url.Parse(args[0]); err != nil || u.Scheme != "http" || u.Host == "" {
				return fmt.Errorf("URL %q: want one like http://10.96.0.7/", args[0])
			}
			cfg.URL = args[0]
			return askFor(cmd.Context(), cfg, length)
		},
	}
	c.Flags().IntVar(&cfg.Clients, "clients", 4, "how many ask at the same time")
	c.Flags().BoolVar(&cfg.KeepAlive, "keep-alive", false, "keep the connections; otherwise each request has a new one")
	c.Flags().DurationVar(&cfg.Timeout, "timeout", 5*time.Second, "how long each request may take")
	c.Flags().DurationVar(&length, "for", 0, "for how long (default until a signal)")
	return c
}

func askFor(ctx context.Context, cfg requests.Config, length time.Duration) error {
	if length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, length)
		defer cancel()
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	lines := json.NewEncoder(os.Stdout)
	cfg.Each = func(a requests.Answer) {
		if err := lines.Encode(a); err != nil { // whoever read is gone
			fail(err)
		}
	}
	clients := requests.Start(cfg)
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, clients.Stop())
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) && !errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return nil
}
