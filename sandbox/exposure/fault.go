package main

import (
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

type env = map[string]string

// fault is what is wrong with version 2.
type fault struct {
	name   string
	title  string // for the document
	v1, v2 env    // what the two versions have besides the common
	slow   bool   // an answer that takes too long is a bad one
}

// slowCriterion is the criterion about slow answers, and the metric of the AnalysisTemplate; slowAnswer is its limit.
const (
	slowCriterion = "slow"
	slowAnswer    = 500 * time.Millisecond
)

// faults are all there are.
func faults() []fault {
	return []fault{
		{name: "error-burst", title: "40 % of the requests fail, from the first one on", v2: env{"ERROR_RATE": "0.4"}},
		{name: "latency-step", title: "requests take 800 ms instead of 5, from the first one on; more than 500 ms is bad", v2: env{"LATENCY_MS": "800"}, slow: true},
		{name: "slow-leak", title: "the share that fails grows from nothing to 20 % in a minute", v2: env{"ERROR_RATE": "0.2", "ERROR_OVER": "60s"}},
		{name: "crash", title: "5 s after its start, under load, each pod exits, again and again", v2: env{"CRASH": "lost the connection to the cache", "CRASH_AFTER": "5s"}},
	}
}

// bad tells whether a client was served badly.
func (f fault) bad(a requests.Answer) bool {
	return a.Failure != "" || f.slow && a.Took > slowAnswer
}

// noisy is the healthy release that others are asked about as well.
const noisy = "noisy"

// healthy are releases with nothing wrong that a limit forbids; all of them go out with a canary.
func healthy() []fault {
	return []fault{
		{name: "healthy", title: "nothing happens"},
		{name: "slow-start", title: "its pods need 8 s until they listen", v2: env{"START_DELAY": "8s"}},
		{name: noisy, title: "0.2 % of the requests fail before and after, and version 2 is slower: 60 ms instead of 40; the limit is 1 %",
			v1: env{"ERROR_RATE": "0.002", "LATENCY_MS": "40"}, v2: env{"ERROR_RATE": "0.002", "LATENCY_MS": "60"}},
		{name: "slow-and-noisy", title: "both", v1: env{"ERROR_RATE": "0.002", "LATENCY_MS": "40"},
			v2: env{"ERROR_RATE": "0.002", "LATENCY_MS": "60", "START_DELAY": "8s"}},
	}
}
