package main

import (
	"fmt"
	"strconv"
	"time"
)

// config is the environment, parsed. The package comment says what each variable does.
type config struct {
	listen, version string
	selfTraffic     float64
	logRequests     bool

	startDelay, waitTimeout time.Duration
	waitFor                 string

	crashes    bool // CRASH or EXIT_CODE was given
	crash      string
	exitCode   int
	crashAfter time.Duration
	crashTimes int
	stateDir   string

	unhealthy      string // empty: healthy for ever
	unhealthyAfter time.Duration
	healthLatency  time.Duration

	errorRate    float64
	errorAfter   time.Duration
	errorOver    time.Duration // 0: the share is there at once
	latency      time.Duration
	latencyAfter time.Duration

	memoryMB      int
	memoryAfter   time.Duration
	ignoreSigterm bool
	exitOnSigterm bool
	stopDelay     time.Duration
}

const (
	usualLatency  = 5 * time.Millisecond
	mostMemoryMB  = 64 << 10
	mostTrafficPS = 10000
)

// readConfig asks get for each variable; a variable that does not parse is an error that names it.
func readConfig(get func(string) string) (config, error) {
	env := reader{get: get}
	cfg := config{
		listen:      env.text("LISTEN", ":8080"),
		version:     env.text("VERSION", "dev"),
		selfTraffic: env.number("SELF_TRAFFIC", 20, mostTrafficPS),
		logRequests: get("LOG_REQUESTS") != "",

		startDelay:  env.duration("START_DELAY", 0),
		waitFor:     get("WAIT_FOR"),
		waitTimeout: env.duration("WAIT_TIMEOUT", 3*time.Second),

		crashes:    get("CRASH") != "" || get("EXIT_CODE") != "",
		crash:      get("CRASH"),
		exitCode:   int(env.number("EXIT_CODE", 1, 255)),
		crashAfter: env.duration("CRASH_AFTER", 0),
		crashTimes: int(env.number("CRASH_TIMES", 0, 1000)),
		stateDir:   env.text("STATE_DIR", "/state"),

		unhealthy:      get("UNHEALTHY"),
		unhealthyAfter: env.duration("UNHEALTHY_AFTER", 0),
		healthLatency:  env.milliseconds("HEALTH_LATENCY_MS", 0),

		errorRate:    env.number("ERROR_RATE", 0, 1),
		errorAfter:   env.duration("ERROR_AFTER", 0),
		errorOver:    env.duration("ERROR_OVER", 0),
		latency:      env.milliseconds("LATENCY_MS", usualLatency),
		latencyAfter: env.duration("LATENCY_AFTER", 0),

		memoryMB:      int(env.number("MEMORY_MB", 0, mostMemoryMB)),
		memoryAfter:   env.duration("MEMORY_AFTER", 0),
		ignoreSigterm: get("IGNORE_SIGTERM") != "",
		exitOnSigterm: get("EXIT_ON_SIGTERM") != "",
		stopDelay:     env.duration("STOP_DELAY", 0),
	}
	if cfg.unhealthy == "" && cfg.unhealthyAfter > 0 {
		cfg.unhealthy = "unhealthy"
	}
	return cfg, env.err
}

// reader keeps the first error, so that readConfig stays a plain list.
type reader struct {
	get func(string) string
	err error
}

func (r *reader) text(name, otherwise string) string {
	if v := r.get(name); v != "" {
		return v
	}
	return otherwise
}

func (r *reader) number(name string, otherwise, most float64) float64 {
	v := r.get(name)
	if v == "" {
		return otherwise
	}
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || !(n >= 0 && n <= most) {
		r.fail("%s: %q is not a number from 0 to %g", name, v, most)
		return otherwise
	}
	return n
}

func (r *reader) duration(name string, otherwise time.Duration) time.Duration {
	v := r.get(name)
	if v == "" {
		return otherwise
	}
	if seconds, err := strconv.ParseFloat(v, 64); err == nil && seconds >= 0 && seconds < 1e6 {
		return time.Duration(seconds * float64(time.Second))
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		r.fail("%s: %q is not a duration like 1500ms or 5s", name, v)
		return otherwise
	}
	return d
}

func (r *reader) milliseconds(name string, otherwise time.Duration) time.Duration {
	const day = 24 * 60 * 60 * 1000
	n := r.number(name, float64(otherwise)/float64(time.Millisecond), day)
	return time.Duration(n * float64(time.Millisecond))
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}
