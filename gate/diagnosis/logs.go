package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// words are what a container said last: the headline of its log, of the attempt that ended or of the one that runs,
// else of its termination message. They are empty when it left none.
func (s *facts) words(c container, ended bool) string {
	lines := s.spoken(c, ended)
	if at := messages.Headline(lines); at >= 0 {
		return messages.Words(lines[at])
	}
	return ""
}

// linesAround is the block of lines to which these words belong.
func (s *facts) linesAround(c container, ended bool) []string {
	lines := s.spoken(c, ended)
	at, from, to := messages.Block(lines)
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
	at := messages.Headline(lines)
	if at < 0 {
		return nil
	}
	return []Proof{{Type: "log", Text: wording.Plain(strings.Join(lines, "\n")), Ref: ref, Headline: at + 1}}
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
	x, y := messages.Headline(a), messages.Headline(b)
	if x >= 0 && y >= 0 && varying.ReplaceAllString(messages.Words(a[x]), "#") == varying.ReplaceAllString(messages.Words(b[y]), "#") {
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
		last = append(last, varying.ReplaceAllString(messages.Words(line), "#"))
	}
	return last
}
