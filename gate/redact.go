package gate

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// redactor takes secrets out of text. Every event and every report passes through it before anybody else sees it.
type redactor struct{ known *strings.Replacer }

// shortestSecret: shorter values ("true", "8080") occur everywhere, and hiding them hides nothing but the report.
const shortestSecret = 6

const redacted = "***"

// newRedactor knows the values of the Secrets that a run touches. Of a value with several lines each line counts.
func newRedactor(values []string) redactor {
	var pairs []string
	lines := []string{}
	for _, v := range values {
		lines = append(lines, strings.Split(v, "\n")...)
	}
	// A value that contains another one has to go first.
	slices.SortFunc(lines, func(a, b string) int { return len(b) - len(a) })
	for _, l := range slices.Compact(lines) {
		if l = strings.TrimSpace(l); len(l) >= shortestSecret {
			pairs = append(pairs, l, redacted)
		}
	}
	return redactor{strings.NewReplacer(pairs...)}
}

// credentials are the forms in which tools print a secret that is none of ours: user:password@ in a URL, a signed
// query string, a header, an assignment.
var credentials = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`://[^/\s:@]+:[^/\s@]+@`), "://" + redacted + "@"},
	{regexp.MustCompile(`(?i)([?&](?:sig|signature|token|access_token|x-amz-[a-z-]+|x-goog-[a-z-]+)=)[^&\s"]+`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9._~+/-]{12,}=*`), "${1} " + redacted},
	{regexp.MustCompile(`(?i)\b([a-z0-9_-]*(?:password|passwd|secret_key|api[_-]?key|access[_-]?key|client[_-]?secret)[a-z0-9_]*["']?\s*[=:]\s*)["']?[^\s"',;]{4,}["']?`), "${1}" + redacted},
	{regexp.MustCompile(`(?i)(toomanyrequests:[^.]*\.).*`), "${1}"},
}

func (r redactor) text(s string) string {
	if s == "" {
		return s
	}
	if r.known != nil {
		s = r.known.Replace(s)
	}
	for _, c := range credentials {
		s = c.form.ReplaceAllString(s, c.with)
	}
	return s
}

// report redacts every field that can hold text from the cluster or from a Secret. Names and codes stay.
func (r redactor) report(rep *Report) {
	rep.Command.redact(r)
	rep.Exit.State, rep.Exit.Error = r.text(rep.Exit.State), r.text(rep.Exit.Error)
	for i := range rep.Changes {
		rep.Changes[i].Diff = r.text(rep.Changes[i].Diff)
	}
	for i := range rep.Stages {
		if a := rep.Stages[i].Approval; a != nil {
			a.By, a.Reason = r.text(a.By), r.text(a.Reason)
		}
	}
	for i := range rep.Workloads {
		rep.Workloads[i].Message = r.text(rep.Workloads[i].Message)
	}
	for i := range rep.Objects {
		o := &rep.Objects[i]
		o.Ready, o.Failed, o.Message = r.text(o.Ready), r.text(o.Failed), r.text(o.Message)
	}
	r.findings(rep)
	for i := range rep.Layers {
		for j := range rep.Layers[i].Healthy {
			rep.Layers[i].Healthy[j] = r.text(rep.Layers[i].Healthy[j])
		}
		for j := range rep.Layers[i].Unknown {
			rep.Layers[i].Unknown[j] = r.text(rep.Layers[i].Unknown[j])
		}
	}
	for i := range rep.Criteria {
		c := &rep.Criteria[i]
		c.Reason, c.LastError = r.text(c.Reason), r.text(c.LastError)
		for j := range c.Series {
			c.Series[j].Note = r.text(c.Series[j].Note)
		}
		for j := range c.Courses {
			c.Courses[j].Group = r.text(c.Courses[j].Group)
		}
	}
	for i, e := range rep.Timeline {
		rep.Timeline[i].Payload = e.Payload.redacted(r) // told before all secrets were known
	}
	for i := range rep.Drill {
		e := &rep.Drill[i]
		e.Why, e.Cause = r.text(e.Why), r.text(e.Cause)
		for j := range e.Missing {
			e.Missing[j] = r.text(e.Missing[j])
		}
	}
	for i := range rep.Notes {
		rep.Notes[i] = r.text(rep.Notes[i])
	}
	r.logs(rep.Logs)
}

// logs redacts whole logs, two at a time: they are long, and each needs its size several times over.
func (r redactor) logs(logs []KeptLog) {
	var redacting sync.WaitGroup
	slots := make(chan struct{}, 2)
	for i := range logs {
		slots <- struct{}{}
		redacting.Go(func() {
			defer func() { <-slots }()
			logs[i].Text = r.text(logs[i].Text)
			logs[i].Bytes = len(logs[i].Text)
		})
	}
	redacting.Wait()
}

func (r redactor) findings(rep *Report) {
	lists := [][]diagnosis.Finding{rep.Findings}
	if rep.Undo != nil {
		lists = append(lists, rep.Undo.Findings)
		rep.Undo.Command.redact(r)
		for i := range rep.Undo.Objects {
			rep.Undo.Objects[i].Result = r.text(rep.Undo.Objects[i].Result)
		}
	}
	for _, list := range lists {
		for i := range list {
			r.finding(&list[i])
		}
	}
}

func (r redactor) finding(f *diagnosis.Finding) {
	f.Cause, f.Detail = r.text(f.Cause), r.text(f.Detail)
	for i := range f.Evidence {
		f.Evidence[i].Text = r.text(f.Evidence[i].Text)
	}
	for i := range f.Changes {
		f.Changes[i].Before, f.Changes[i].After = r.text(f.Changes[i].Before), r.text(f.Changes[i].After)
	}
	for i := range f.Fix {
		f.Fix[i] = r.text(f.Fix[i])
	}
}

func (p Planned) redacted(redactor) Payload  { return p }
func (p Applied) redacted(redactor) Payload  { return p }
func (p Foreign) redacted(redactor) Payload  { return p }
func (p Source) redacted(redactor) Payload   { return p }
func (p Freed) redacted(redactor) Payload    { return p }
func (p KeptPod) redacted(redactor) Payload  { return p }
func (p Queued) redacted(redactor) Payload   { return p }
func (p Adopted) redacted(redactor) Payload  { return p }
func (p Asked) redacted(redactor) Payload    { return p }
func (p Replaced) redacted(redactor) Payload { return p }
func (p Started) redacted(redactor) Payload  { return p }
func (p Finished) redacted(redactor) Payload { return p } // it is made of a report that was

func (p Decided) redacted(r redactor) Payload {
	p.By, p.Reason = r.text(p.By), r.text(p.Reason)
	return p
}

func (p Step) redacted(r redactor) Payload {
	p.What = r.text(p.What)
	return p
}

func (p Said) redacted(r redactor) Payload {
	p.Line = cutLine(r.text(p.Line))
	return p
}

func (p Printed) redacted(r redactor) Payload {
	p.Line = cutLine(r.text(p.Line))
	return p
}

func (p Ran) redacted(r redactor) Payload {
	p.Command, p.Failure = r.text(p.Command), r.text(p.Failure)
	return p
}

func (p Tested) redacted(r redactor) Payload {
	p.Failure = r.text(p.Failure)
	return p
}

func (p Status) redacted(r redactor) Payload {
	p.Message = r.text(p.Message)
	return p
}

func (p Waiting) redacted(r redactor) Payload {
	p.Workloads, p.Staged = slices.Clone(p.Workloads), slices.Clone(p.Staged)
	for _, all := range [][]rollout.Status{p.Workloads, p.Staged} {
		for i := range all {
			all[i].Message = r.text(all[i].Message)
		}
	}
	return p
}

func (p Warning) redacted(r redactor) Payload {
	p.Cause = r.text(p.Cause)
	return p
}

func (p Trouble) redacted(r redactor) Payload {
	p.Text = r.text(p.Text)
	return p
}

func (p Before) redacted(r redactor) Payload {
	p.Problem = r.text(p.Problem)
	return p
}

func (p Measured) redacted(r redactor) Payload {
	p.Note = r.text(p.Note)
	return p
}

func (p Judged) redacted(r redactor) Payload {
	p.Cause = r.text(p.Cause)
	return p
}

func (p Taken) redacted(r redactor) Payload {
	p.Why, p.Failure = r.text(p.Why), r.text(p.Failure)
	return p
}
