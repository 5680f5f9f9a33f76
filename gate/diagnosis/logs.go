package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// logPods is of how many pods of one cause a log is read: they usually say the same, and where not, that is worth
// knowing.
const logPods = 3

// words are what a container said last: the headline of its log, of the attempt that ended or of the one that runs,
// else of its termination message. They are empty when it left none.
func (s *facts) words(c container, ended bool) string {
	lines := s.spoken(c, ended)
	if at := headline(lines); at >= 0 {
		return message(lines[at])
	}
	return ""
}

// around is the block of lines to which these words belong.
func (s *facts) around(c container, ended bool) []string {
	lines := s.spoken(c, ended)
	at, from, to := diagnose(lines)
	if at < 0 {
		return nil
	}
	return lines[from:min(len(lines), max(to, at+4))]
}

// spoken is what a container left: its log, else its termination message, which is the end of the log with
// terminationMessagePolicy FallbackToLogsOnError and needs no permission for logs.
func (s *facts) spoken(c container, ended bool) []string {
	if !ended {
		return s.logOf(c)
	}
	if lines := s.lastLog(c); len(lines) > 0 {
		return lines
	}
	if t := c.terminated(); t != nil && t.Message != "" {
		return strings.Split(t.Message, "\n")
	}
	return nil
}

// lastLog is the log tail of the attempt that ended. While the container waits, the API serves it as the current one;
// when it runs again, only as the previous one.
func (s *facts) lastLog(c container) []string {
	if cameBack(c) {
		return s.logRead(c, true, false)
	}
	return s.logOf(c)
}

// logOf is the log tail of the attempt that runs, or ran last. That of the attempt before will do when it was not read.
func (s *facts) logOf(c container) []string { return s.logRead(c, false, true) }

// logRead finds a log among those that were read: the previous one or the current one, or whichever there is.
func (s *facts) logRead(c container, previous, either bool) []string {
	var lines []string
	for _, l := range s.Logs {
		if l.Pod != c.pod.Name || l.Container != c.spec.Name || len(l.Lines) == 0 {
			continue
		}
		if strings.HasPrefix(l.Lines[0], "unable to retrieve container logs for") {
			continue // the kubelet answers this with status 200 when the container is gone
		}
		if l.Previous == previous || either && lines == nil {
			lines = l.Lines
		}
	}
	return lines
}

// cameBack reports whether a container runs after it ended before.
func cameBack(c container) bool {
	return c.status.State.Running != nil && c.status.LastTerminationState.Terminated != nil
}

// logProof quotes all that was read of the log of the attempt that runs and points at its headline, or says why it was
// not read.
func (s *facts) logProof(c container) []Proof {
	if lines := s.logOf(c); len(lines) > 0 {
		return quoteLog(lines, c.ref())
	}
	if why := s.logsUnread(); why != "" {
		return []Proof{{Type: "log", Text: "not read: " + why, Ref: c.ref()}}
	}
	return nil
}

// lastProof is logProof for the attempt that ended. Without a log the termination message has to do.
func (s *facts) lastProof(c container) []Proof {
	if lines := s.lastLog(c); len(lines) > 0 {
		return quoteLog(lines, c.ref())
	}
	var proofs []Proof
	if t := c.terminated(); t != nil && strings.Contains(strings.TrimSpace(t.Message), "\n") {
		proofs = quoteLog(strings.Split(strings.TrimSpace(t.Message), "\n"), c.ref()+", its termination message")
	}
	if why := s.logsUnread(); why != "" {
		proofs = append(proofs, Proof{Type: "log", Text: "not read: " + why, Ref: c.ref()})
	}
	return proofs
}

// quoteLog is a log as a proof.
func quoteLog(lines []string, ref string) []Proof {
	at := headline(lines)
	if at < 0 {
		return nil
	}
	return []Proof{{Type: "log", Text: ansi.ReplaceAllString(strings.Join(lines, "\n"), ""), Ref: ref, Headline: at + 1}}
}

// unreadLog is how Evidence says that logs were not to be read.
var unreadLog = regexp.MustCompile(`^logs: |\bpods/log\b`)

// logsUnread says why no log was read, when it was tried.
func (s *facts) logsUnread() string {
	for _, note := range s.Unreadable {
		if unreadLog.MatchString(note) {
			return quote(strings.TrimPrefix(note, "logs: "))
		}
	}
	return ""
}

// fold compares the logs of the pods with one cause: those that say the same are counted, and the first that says
// something else is quoted as well.
func (s *facts) fold(f *Finding) {
	i := slices.IndexFunc(f.Evidence, func(p Proof) bool { return p.Type == "log" && p.Headline > 0 })
	if i < 0 || len(f.pods) < 2 || f.Container == "" {
		return
	}
	shown := strings.Split(f.Evidence[i].Text, "\n")
	same, different := 0, []Proof(nil)
	for _, c := range append(s.containers, s.failedContainers()...) {
		if c.spec.Name != f.Container || c.pod.Name == f.Object.Name || !slices.Contains(f.pods, c.pod.Name) {
			continue
		}
		lines := s.lastLog(c)
		if runs(*f) {
			lines = s.logOf(c)
		}
		switch {
		case len(lines) == 0:
		case alike(shown, lines):
			same++
		case different == nil:
			different = quoteLog(lines, c.ref())
		}
	}
	evidence := slices.Clone(f.Evidence)
	if same > 0 {
		evidence[i].Ref += fmt.Sprintf(", the same in %s", plural(same, "more pod"))
	}
	f.Evidence = slices.Insert(evidence, i+1, different...)
}

// alike reports whether two logs tell the same story: the same headline, or the same end, but for numbers.
func alike(a, b []string) bool {
	x, y := headline(a), headline(b)
	if x >= 0 && y >= 0 && varying.ReplaceAllString(message(a[x]), "#") == varying.ReplaceAllString(message(b[y]), "#") {
		return true
	}
	return slices.Equal(ending(a), ending(b))
}

// varying is what differs from pod to pod: times, addresses, ids; every word with a digit.
var varying = regexp.MustCompile(`[^\s"'()\[\],=]*\d[^\s"'()\[\],=]*`)

// ending is the last lines of a log without what differs from pod to pod.
func ending(lines []string) []string {
	var last []string
	for _, line := range lines[max(0, len(lines)-5):] {
		last = append(last, varying.ReplaceAllString(message(line), "#"))
	}
	return last
}

// LogTarget is one container whose log would help to explain.
type LogTarget struct {
	Pod, Container string
	Previous       bool // of the attempt before the current one
	// Ended is when the attempt ended whose log is wanted; zero when it runs. Lines that are newer are of an attempt that
	// the status does not show yet.
	Ended time.Time
}

// LogTargets says which logs are worth reading before Explain is asked for the last time: those of the containers that
// the findings are about, of up to three pods for a cause. Where the API has no such log any more, the other one of the
// same container (Previous or not) helps as well.
func (c *Catalogue) LogTargets(ev Evidence) []LogTarget {
	s := c.newFacts(ev)
	byName := map[string][]container{}
	for _, c := range append(s.containers, s.failedContainers()...) {
		byName[c.pod.Name] = append(byName[c.pod.Name], c)
	}
	var targets []LogTarget
	for _, f := range c.Explain(ev) {
		if f.Object.Kind != "Pod" || !hasLogs(f) {
			continue
		}
		pods := union([]string{f.Object.Name}, f.pods)
		for _, name := range pods[:min(len(pods), logPods)] {
			for _, c := range byName[name] {
				started := c.terminated() != nil || c.status.State.Running != nil
				wanted := f.Container == c.spec.Name || f.Container == "" && !c.initial
				t := LogTarget{Pod: name, Container: c.spec.Name, Previous: cameBack(c) && !runs(f)}
				if end := c.terminated(); end != nil && c.status.State.Running == nil {
					t.Ended = end.FinishedAt.Time
				}
				if started && wanted && !slices.ContainsFunc(targets, t.sameContainer) {
					targets = append(targets, t)
				}
			}
		}
	}
	return targets[:min(len(targets), maxLogs)]
}

// runs reports whether a finding is about the attempt that runs, as a probe's is; why a program ended is in the log of
// the attempt that did.
func runs(f Finding) bool { return f.Stage == "probe" || f.Code == "InitContainerWaiting" }

// maxLogs is how many logs are read altogether: the first causes matter.
const maxLogs = 9

func (t LogTarget) sameContainer(o LogTarget) bool {
	return t.Pod == o.Pod && t.Container == o.Container
}

// hasLogs reports whether the finding is about a program that ran.
func hasLogs(f Finding) bool {
	switch {
	case f.failsAt("init", "run", "probe", "symptom"):
		return f.Code != "RestartedThenReady" && f.Code != "RestartRuleFired"
	case f.failsAt("start"):
		return f.Code == "ExecFormatError" || f.Code == "CommandNotFound" || f.Code == "CommandNotExecutable"
	case f.failsAt("controller"):
		return strings.HasPrefix(f.Code, "Job")
	}
	return false
}
