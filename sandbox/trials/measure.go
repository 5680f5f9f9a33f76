package main

import "time"

// scrapeInterval is how often the sandbox's Prometheus looks.
const scrapeInterval = time.Second

// look is what one scrape of a process saw: its counters since its start.
type look struct {
	at, started time.Time
	bad, all    float64
}

// process is a container of a pod, and all scrapes of it. When the container restarts, its counters begin anew.
type process struct {
	container string
	looks     []look
}

// firstBad is when the first request failed after a fault had begun: not before the fault, and not before the last
// scrape that saw none. What is measured from here is therefore at most a scrape interval too long, and never too short.
func firstBad(all []*process, onset map[string]time.Duration) (first time.Time, ok bool) {
	for _, p := range all {
		after, faulty := onset[p.container]
		if !faulty {
			continue
		}
		if at, found := p.firstBad(after); found && (!ok || at.Before(first)) {
			first, ok = at, true
		}
	}
	return first, ok
}

func (p *process) firstBad(after time.Duration) (time.Time, bool) {
	var before look
	for i, l := range p.looks {
		struck := l.started.Add(after)
		grown := l.bad
		since := l.at.Add(-scrapeInterval)
		if i > 0 && l.bad >= before.bad {
			grown, since = l.bad-before.bad, before.at
		}
		if grown > 0 && l.at.After(struck) {
			if since.Before(struck) {
				since = struck
			}
			return since, true
		}
		before = l
	}
	return time.Time{}, false
}

// served is how many requests were answered, and how many of them badly, until a moment. Between two scrapes the
// requests are taken to have come evenly.
func served(all []*process, until time.Time) (bad, total float64) {
	for _, p := range all {
		b, t := p.served(until)
		bad, total = bad+b, total+t
	}
	return bad, total
}

func (p *process) served(until time.Time) (bad, total float64) {
	before := look{}
	for i, l := range p.looks {
		part := 1.0
		if l.at.After(until) {
			if i == 0 {
				return 0, 0
			}
			part = max(until.Sub(before.at).Seconds()/l.at.Sub(before.at).Seconds(), 0)
		}
		bad += part * growth(before.bad, l.bad)
		total += part * growth(before.all, l.all)
		if l.at.After(until) {
			break
		}
		before = l
	}
	return bad, total
}

// seen is how many bad requests had been scraped at a moment.
func seen(all []*process, at time.Time) (bad float64) {
	for _, p := range all {
		before := look{}
		for _, l := range p.looks {
			if l.at.After(at) {
				break
			}
			bad += growth(before.bad, l.bad)
			before = l
		}
	}
	return bad
}

// growth is what a counter grew; one that shrank has begun anew.
func growth(before, now float64) float64 {
	if now < before {
		return now
	}
	return now - before
}
