package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// results are those of one run.
type results struct {
	Machine    string    `json:"machine"`
	Kubernetes string    `json:"kubernetes"`
	Argo       string    `json:"argo,omitempty"` // the version of Argo Rollouts; "" when it was left out
	Date       time.Time `json:"date"`
	Trials     []result  `json:"trials"`
}

// Document is the section of docs/delivery.md.
func (r *results) Document() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %s, Kubernetes %s, %s at once; %d requests a second; Prometheus scrapes every second, and is asked every 2 s.\n",
		r.Date.Format("2006-01-02"), r.Machine, r.Kubernetes, r.atOnce(), rate)
	for _, f := range faults() {
		var rows [][]string
		for _, b := range r.boxes() {
			if b.fault == f.name {
				rows = append(rows, b.row())
			}
		}
		if len(rows) > 0 {
			fmt.Fprintf(&b, "\n**%s**: %s.\n\n", f.name, f.title)
			b.WriteString(harness.Table([]string{"way", "taken back", "first scrape after, s", "taken back after, s", "of that since the scrape, s", "nobody meets it after, s", "failed requests", "share of the users, %"}, rows))
		}
	}
	b.WriteString("\nAfter: from the first bad answer that a client gets. Each figure is the median, and what nine of ten runs do not exceed.\n")
	if r.Argo == "" {
		b.WriteString("Argo Rollouts was left out of this run.\n")
	} else {
		fmt.Fprintf(&b, "Argo Rollouts is %s; its background analysis asks the same counters of the new pods, and the same limits.\n", r.Argo)
	}
	if quiet := r.quietBoxes(); len(quiet) > 0 {
		b.WriteString("\n**Healthy releases**, with a canary of one of 4 pods for " + short + ":\n\n")
		var rows [][]string
		for _, q := range quiet {
			rows = append(rows, q.row())
		}
		b.WriteString(harness.Table([]string{"release", "way", "runs", "did not pass", "machine too slow (of these taken back)", "failed requests: median, most"}, rows))
		fmt.Fprintf(&b, "\nMachine too slow: until the end or the undo, more than 1 %% of the answers of version 1 took more than %s, too. %s\n", slowAnswer, excuses(quiet))
	}
	return b.String()
}

func (b box) row() []string {
	return []string{titleOf(b.way), fmt.Sprintf("%d of %d", b.undone, b.runs), spread(b.scraped, 1), spread(b.undo, 1), spread(b.decided, 1), spread(b.gone, 1), spread(b.failed, 0), spread(b.share, 1)}
}

// titleOf is how the document calls a way.
func titleOf(name string) string {
	for _, w := range ways() {
		if w.name == name {
			return w.title
		}
	}
	return name
}

func (q quietBox) row() []string {
	title := q.kind
	for _, f := range healthy() {
		if f.name == q.kind {
			title = f.title
		}
	}
	return []string{title, titleOf(q.way), fmt.Sprint(q.runs), fmt.Sprint(q.wrong), fmt.Sprintf("%d (%d)", q.slow, q.slowUndone), harness.Whole(harness.Percentile(q.failed, 50)) + ", " + harness.Whole(harness.Percentile(q.failed, 100))}
}

// excuses says which of the wrong ends are the machine's fault, and why.
func excuses(quiet []quietBox) string {
	wrong, excused := 0, 0
	for _, q := range quiet {
		wrong, excused = wrong+q.wrong, excused+q.excused
	}
	return fmt.Sprintf("Of those that did not pass, %d of %d are put down to that: they were taken back for the criterion about slow answers alone.", excused, wrong)
}

// spread is the median and the 90th percentile; of nothing, a dash.
func spread(values []float64, decimals int) string {
	if len(values) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f, %.*f", decimals, harness.Median(values), decimals, harness.Percentile(values, 90))
}

// Problems are the reasons for which the run fails.
func (r *results) Problems() []string {
	var out []string
	for _, b := range r.boxes() {
		if b.errors > 0 {
			out = append(out, fmt.Sprintf("%s/%s: %d trials could not be played", b.fault, b.way, b.errors))
		}
	}
	for _, q := range r.quietBoxes() {
		if q.errors > 0 {
			out = append(out, fmt.Sprintf("%s: %d trials could not be played", q.kind, q.errors))
		}
		if wrong := q.wrong - q.excused; wrong > 0 && q.way == healthyWay().name { // what others make of them is a figure
			out = append(out, fmt.Sprintf("%s: %d of %d healthy releases did not pass", q.kind, wrong, q.runs))
		}
	}
	return out
}

// Text is what the terminal shows in the end.
func (r *results) Text() string {
	var b strings.Builder
	for _, t := range r.Trials {
		fmt.Fprintln(&b, t.progress())
		if t.Output != "" {
			b.WriteString(harness.Indented(t.Output))
		}
	}
	b.WriteString("\n" + r.Document())
	return b.String()
}
