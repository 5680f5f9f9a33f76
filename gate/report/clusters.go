package report

import (
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
)

// clusterTitle names a part of a run in several clusters, and clusterRemark says how it ended.
func clusterTitle(c gate.ClusterReport) string { return "cluster " + oneLine(c.Name) }

func clusterRemark(c gate.ClusterReport) string {
	return fmt.Sprintf("wave %d, %s (exit %d)", c.Wave, verdictWord(c.Report), c.Report.Exit.Code)
}

// badLast are the parts with those at the end that a reader of a log looks for: what he sees first is the end.
func badLast(clusters []gate.ClusterReport) []gate.ClusterReport {
	all := slices.Clone(clusters)
	slices.SortStableFunc(all, func(a, b gate.ClusterReport) int { return interest(a) - interest(b) })
	return all
}

// interest is low for what went well, and for what did not come to begin.
func interest(c gate.ClusterReport) int {
	switch {
	case c.Report.Exit.Name == gate.CalledOff.Name():
		return 0
	case c.Report.Exit.Code == 0:
		return 1
	}
	return 2
}

// clusters writes each part as a run of its own, and a table of all.
func (p *page) clusters(w io.Writer, r gate.Report) error {
	for _, c := range badLast(r.Clusters) {
		p.rule("═", clusterTitle(c), clusterRemark(c), bold, verdictColor(c.Report))
		if err := p.body(w, c.Report); err != nil {
			return err
		}
	}
	var rows []row
	for _, c := range r.Clusters {
		rows = append(rows, row{
			cells: []string{oneLine(c.Name), fmt.Sprint(c.Wave), oneLine(verdictWord(c.Report)), Elapsed(c.Report.Run.Finished.Sub(c.Report.Run.Started))},
			style: verdictColor(c.Report), below: []string{oneLine(c.Report.Exit.State)},
		})
	}
	p.table([]string{"clusters", "wave", "verdict", "took"}, 2, rows)
	return nil
}

// clusters writes a table of all parts, and then each as a run of its own.
func (d *document) clusters(r gate.Report) {
	var rows [][]string
	for _, c := range r.Clusters {
		rows = append(rows, []string{
			codeCell(c.Name), fmt.Sprint(c.Wave), fmt.Sprintf("%s (exit %d)", escapeMarkdown(verdictWord(c.Report)), c.Report.Exit.Code),
			escapeMarkdown(c.Report.Exit.State), Elapsed(c.Report.Run.Finished.Sub(c.Report.Run.Started)),
		})
	}
	d.titled("### Clusters", []string{"Cluster", "Wave", "Verdict", "State", "Took"}, rows)
	for _, c := range slices.Backward(badLast(r.Clusters)) { // a page is read from its beginning
		d.section("\n## Cluster " + codeSpan(c.Name) + ": " + escapeMarkdown(verdictWord(c.Report)) + "\n")
		if c.Report.Exit.Error != "" {
			d.section("\n" + escapeMarkdown(c.Report.Exit.Error) + "\n")
		}
		started := d.started
		d.started = c.Report.Run.Started
		d.body(c.Report)
		d.started = started
	}
}

// clusters writes a table of all parts, and then each as a run of its own.
func (p *htmlPage) clusters(r gate.Report) {
	var rows []gridRow
	for _, c := range r.Clusters {
		rows = append(rows, gridRow{cells: []markup{
			code(c.Name), text(fmt.Sprint(c.Wave)), badge(verdictColor(c.Report), verdictWord(c.Report)),
			text(clip(oneLine(c.Report.Exit.State), 500)), text(Elapsed(c.Report.Run.Finished.Sub(c.Report.Run.Started))),
		}})
	}
	p.section(tableSection("Clusters", "How the run ended in each cluster", columns("Cluster", "#Wave", "Verdict", "State", "#Took"), rows))
	for n, c := range slices.Backward(badLast(r.Clusters)) {
		p.section(tag("section", nil, tag("h2", attrs{"class", "cluster"}, "Cluster ", code(c.Name), " ", badge(verdictColor(c.Report), verdictWord(c.Report))), verdictFacts(c.Report)) + "\n")
		own := &htmlPage{started: c.Report.Run.Started, taken: p.taken + p.Len()}
		own.body(c.Report)
		p.left += own.left
		p.WriteString(withIDs(own.String(), fmt.Sprintf("c%d-", n+1)))
	}
}

// ids are the attributes in which ids of the drawings stand. Text has no quotes: they are escaped.
var ids = regexp.MustCompile(` (id|aria-labelledby)="([^"]*)"`)

// withIDs makes the ids of a part of the page its own.
func withIDs(part, prefix string) string {
	return ids.ReplaceAllStringFunc(part, func(attribute string) string {
		m := ids.FindStringSubmatch(attribute)
		names := strings.Fields(m[2])
		for i := range names {
			names[i] = prefix + names[i]
		}
		return " " + m[1] + `="` + strings.Join(names, " ") + `"`
	})
}

// clusterCases are the test results of each cluster, whose cases have its name before their own.
func clusterCases(r gate.Report) []junitCase {
	var all []junitCase
	for _, c := range r.Clusters {
		for _, one := range junitCases(c.Report) {
			one.Name = oneLine(c.Name) + ": " + one.Name
			all = append(all, one)
		}
	}
	return all
}

// LabelCluster is the label of the cluster, where a run has several.
const LabelCluster = "cluster"

// clusterMetrics are the series of each cluster.
func clusterMetrics(r gate.Report) []Metric {
	var all []Metric
	for _, c := range r.Clusters {
		for _, m := range Metrics(c.Report) {
			m.Labels = append([]Label{{LabelCluster, c.Name}}, m.Labels...)
			all = append(all, m)
		}
	}
	slices.SortStableFunc(all, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return all
}
