// Testapp is a small HTTP service that goes wrong on request. The sandbox deploys it where a real application would
// stand, so every failure that a test looks at is a genuine one: a process that really exited, a probe that really got
// a 503, memory that the kernel really refused.
//
// It takes environment variables, serves HTTP and writes a log to standard output. It never calls anything except the
// address named in WAIT_FOR.
//
// # What it serves
//
//	/          "web v1 ok", or status 500 for a share of the requests (ERROR_RATE); every request is counted.
//	           The headers X-Version and X-Pod say who answered, also with status 500
//	/healthz   200 "ok", or 503 (UNHEALTHY); not counted
//	/metrics   Prometheus text: http_requests_total{code}, http_request_duration_seconds (a histogram),
//	           app_info{version}, process_start_time_seconds
//
// As in most real services, http_requests_total{code="500"} does not exist before the first such answer.
//
// # Environment
//
// Durations are written like 1500ms or 5s; a bare number means seconds. "Start" is the start of the process.
//
//	LISTEN             address to serve on (default :8080)
//	VERSION            shown in /, in the log and in app_info (the sandbox's images set it)
//	SELF_TRAFFIC       requests a second that the program makes to its own / (default 20, 0 for none)
//	LOG_REQUESTS       log each request that fails (any value)
//
//	START_DELAY        wait before listening
//	WAIT_FOR           host:port or a file: log "waiting for database at ..." and exit 1 if it is not there in time
//	WAIT_TIMEOUT       how long WAIT_FOR waits (default 3s)
//
//	CRASH              log this message, then exit; "panic: text" makes a genuine Go panic with its stack trace
//	EXIT_CODE          the exit code (default 1); given without CRASH, the program just exits with it
//	CRASH_AFTER        exit this long after start instead of before listening
//	CRASH_TIMES        exit only in the first N starts, then run well; needs STATE_DIR to outlive the container
//	STATE_DIR          where the number of starts is kept (default /state: mount an emptyDir there)
//
//	UNHEALTHY          /healthz answers 503 with this text
//	UNHEALTHY_AFTER    ... from this long after start (alone: the text is "unhealthy")
//	HEALTH_LATENCY_MS  /healthz takes this long to answer
//
//	ERROR_RATE         share of the requests to / that answer 500, from 0 to 1
//	ERROR_AFTER        ... from this long after start
//	ERROR_OVER         ... and it grows to that evenly, for this long
//	LATENCY_MS         each request to / takes about this long (default 5; exponential around a floor of a half)
//	LATENCY_AFTER      ... from this long after start; before that, 5
//
//	MEMORY_MB          allocate and touch this much memory
//	MEMORY_AFTER       ... from this long after start
//
// When it is asked to stop, it accepts no more connections, finishes what it is answering, for a second at most, and
// exits. Unless:
//
//	IGNORE_SIGTERM     it does not stop (any value)
//	EXIT_ON_SIGTERM    it exits at once, whatever it is answering (any value)
//	STOP_DELAY         it goes on for this long first, as with a preStop hook that sleeps
//
// # The pause command
//
// "testapp pause" does nothing until it gets a signal. The sandbox's node runs it as the first container of each pod,
// the one that holds the pod's network; a second program only for that would be a second thing to build.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	log.SetOutput(os.Stdout)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if len(os.Args) > 1 && os.Args[1] == "pause" {
		<-stop
		return
	}
	cfg, err := readConfig(os.Getenv)
	if err != nil {
		log.Fatalf("bad configuration: %v", err)
	}
	if err := run(cfg, time.Now(), stop); err != nil {
		log.Print(err)
		os.Exit(exitCode(err))
	}
}

// run serves until a signal or a fault ends the process. A returned error is the last line of the log.
func run(cfg config, start time.Time, stop <-chan os.Signal) error {
	log.Printf("starting web %s", cfg.version)
	if err := waitFor(cfg.waitFor, cfg.waitTimeout); err != nil {
		return err
	}
	crashing, err := cfg.crashesNow()
	if err != nil {
		return err
	}
	if crashing && cfg.crashAfter == 0 {
		return crash(cfg)
	}
	time.Sleep(cfg.startDelay)

	listener, err := net.Listen("tcp", cfg.listen)
	if err != nil {
		return err
	}
	log.Printf("listening on %s", listener.Addr())
	service := newService(cfg, start, rand.Float64)
	server := &http.Server{Handler: service.routes()}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	go service.driveTraffic()
	go grow(cfg.memoryMB, time.Until(start.Add(cfg.memoryAfter)))

	var crashed <-chan time.Time // nil, and so never ready, unless this start is to crash
	if crashing {
		crashed = time.After(time.Until(start.Add(cfg.crashAfter)))
	}
	for {
		select {
		case err := <-served:
			return err
		case <-crashed:
			return crash(cfg)
		case sig := <-stop:
			if cfg.ignoreSigterm {
				log.Printf("got %s, ignoring it", sig)
				continue
			}
			if cfg.exitOnSigterm {
				log.Printf("got %s, exiting at once", sig)
				return server.Close()
			}
			if cfg.stopDelay > 0 {
				log.Printf("got %s, stopping in %s", sig, cfg.stopDelay)
				time.Sleep(cfg.stopDelay)
			}
			log.Printf("got %s, stopping", sig)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			return server.Shutdown(ctx)
		}
	}
}

// exit is an error that also says with which code the process ends.
type exit struct {
	code    int
	message string
}

func (e exit) Error() string { return e.message }

func exitCode(err error) int {
	var e exit
	if errors.As(err, &e) {
		return e.code
	}
	return 1
}

// waitFor looks for host:port or, when target starts with a slash, a file. An empty target is always there.
func waitFor(target string, timeout time.Duration) error {
	if target == "" {
		return nil
	}
	deadline := time.Now().Add(timeout)
	for {
		log.Printf("waiting for database at %s", target)
		err := reach(target)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("database is not available: %w", err)
		}
		time.Sleep(time.Second)
	}
}

func reach(target string) error {
	if target[0] == '/' {
		_, err := os.Stat(target)
		return err
	}
	conn, err := net.DialTimeout("tcp", target, time.Second)
	if err != nil {
		return err
	}
	return conn.Close()
}
