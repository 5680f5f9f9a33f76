package diagnosis

import (
	"encoding/json"
	"regexp"
	"strings"
)

const (
	// quoted is how many log lines go into a proof.
	quoted = 20
	// burst is how far back from the end the error is searched that ended the program.
	burst = 60
)

var (
	// fatalLine is what runtimes write when they give up. The last one counts: "Caused by" chains end with the root.
	fatalLine = regexp.MustCompile(`^panic: |^fatal error: |^Caused by: |^Exception in thread|^Unhandled exception|\[emerg\]|^thread '.*' panicked|Cannot find module|^[\w.]*(Error|Exception)(:|$)|^Uncaught |exec format error|segmentation fault`)
	// errorLine is what programs write about errors. The first one of the last burst counts: later ones follow from it.
	errorLine = regexp.MustCompile(`(?i)\b(fatal|panic|critical|error|err|exception|failed|cannot|could not|unable to|refused|denied|invalid|missing|not found)\b`)
	// calm lines have such words without saying anything bad.
	calm = regexp.MustCompile(`(?i)\b(0|no) errors?\b|level=(info|debug)|"level":"(info|debug)"|\[(info|debug)\]`)
	// dependency is how programs of many languages say that somebody else does not answer.
	dependency = regexp.MustCompile(`(?i)connection refused|ECONNREFUSED|no such host|ENOTFOUND|EAI_AGAIN|name or service not known|temporary failure in name resolution|UnknownHostException|i/o timeout|ETIMEDOUT|connection timed out|could not connect to server|no route to host|waiting for (the )?(database|db|redis|kafka|rabbit|postgres|mysql)`)
	hostPort   = regexp.MustCompile(`\b([a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?:\d{2,5})\b`)
	lookup     = regexp.MustCompile(`(?i)(?:lookup|ENOTFOUND|EAI_AGAIN|host name|UnknownHostException:?) "?([a-zA-Z0-9][a-zA-Z0-9.-]+)`)
	digits     = regexp.MustCompile(`\d+`)
	// stamp is what loggers write before their words: a time, or klog's header.
	stamp = regexp.MustCompile(`^(?:\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z| ?[+-]\d\d:?\d\d)?\]?\s+|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ \S+\] )`)
)

// headline is the index of the line of a log that says best why a program ended; -1 for an empty log.
func headline(lines []string) int {
	last, fatal, first := -1, -1, -1
	trace := false // inside a Python traceback, whose last line names the error
	for i := max(0, len(lines)-burst); i < len(lines); i++ {
		line := ansi.ReplaceAllString(lines[i], "")
		text := strings.TrimSpace(line)
		if text == "" {
			continue
		}
		switch indented := line != strings.TrimLeft(line, " \t"); {
		case strings.HasPrefix(text, "Traceback (most recent call last)"):
			trace = true
		case trace && !indented:
			trace, fatal = false, i
		case fatalLine.MatchString(line):
			fatal = i
		case first < 0 && !indented && errorLine.MatchString(text) && !calm.MatchString(text):
			first = i
		}
		last = i
	}
	switch {
	case fatal >= 0:
		return fatal
	case first >= 0:
		return first
	}
	return last
}

// message takes the human part out of a line in JSON and leaves other lines alone.
func message(line string) string {
	line = stamp.ReplaceAllString(strings.TrimSpace(ansi.ReplaceAllString(line, "")), "")
	var fields map[string]any
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &fields) != nil {
		return quote(line)
	}
	pick := func(keys ...string) string {
		for _, k := range keys {
			if v, ok := fields[k].(string); ok && v != "" {
				return v
			}
		}
		return ""
	}
	text, cause := pick("msg", "message", "event"), pick("err", "error", "exception")
	switch {
	case text == "" && cause == "":
		return quote(line)
	case text == "" || cause == "":
		return quote(text + cause)
	}
	return quote(text + ": " + cause)
}

// words are a container's last words: the headline of its log, else of its termination message. They are empty when
// it left none.
func (s *scene) words(c container) string {
	lines := s.logOf(c)
	if len(lines) == 0 {
		if t := c.terminated(); t != nil && t.Message != "" {
			lines = strings.Split(t.Message, "\n")
		}
	}
	if i := headline(lines); i >= 0 {
		return message(lines[i])
	}
	return ""
}

// logOf is the log tail of the attempt that ended: the previous one when the container runs again, else the current
// one, which the API serves until the next attempt begins. The other will do when that was not read.
func (s *scene) logOf(c container) []string {
	var lines []string
	for _, l := range s.Logs {
		if l.Pod != c.pod.Name || l.Container != c.spec.Name || len(l.Lines) == 0 {
			continue
		}
		if strings.HasPrefix(l.Lines[0], "unable to retrieve container logs for") {
			continue // the kubelet answers this with status 200 when the container is gone
		}
		if lines == nil || l.Previous == cameBack(c) {
			lines = l.Lines
		}
	}
	return lines
}

// cameBack reports whether a container runs after it ended before.
func cameBack(c container) bool {
	return c.status.State.Running != nil && c.status.LastTerminationState.Terminated != nil
}

// logProof quotes the end of a log, moved up as far as needed to show the headline.
func (s *scene) logProof(c container) []Proof {
	lines := s.logOf(c)
	at := headline(lines)
	if at < 0 {
		return nil
	}
	from := max(0, min(len(lines)-quoted, at-2))
	lines = lines[from:min(len(lines), from+quoted)]
	return []Proof{{Type: "log", Text: ansi.ReplaceAllString(strings.Join(lines, "\n"), ""), Ref: c.ref()}}
}

// depends reports whether last words are about somebody else who does not answer, and who that is, if they say so.
func depends(words string) (host string, ok bool) {
	if !dependency.MatchString(words) {
		return "", false
	}
	if m := lookup.FindStringSubmatch(words); m != nil {
		return m[1], true
	}
	if m := hostPort.FindAllStringSubmatch(words, -1); m != nil {
		return m[len(m)-1][1], true // dial tcp 10.0.0.7:51234->10.0.0.9:5432: the other end is the last
	}
	return "", true
}

// LogTarget is one container whose log would help to explain.
type LogTarget struct {
	Pod, Container string
	Previous       bool // of the attempt before the current one
}

// LogTargets says which logs are worth reading before Explain is asked for the last time: those of the containers that
// the findings are about, one pod for a cause, three pods at most. Where the API has no such log any more, the other one
// of the same container (Previous or not) helps as well.
func LogTargets(ev Evidence) []LogTarget {
	s := newScene(ev)
	byName := map[string][]container{}
	for _, c := range append(s.containers, s.failedContainers()...) {
		byName[c.pod.Name] = append(byName[c.pod.Name], c)
	}
	var targets []LogTarget
	pods := map[string]bool{}
	add := func(c container) {
		t := LogTarget{c.pod.Name, c.spec.Name, cameBack(c)}
		if len(pods) < 3 || pods[t.Pod] {
			pods[t.Pod] = true
			targets = append(targets, t)
		}
	}
	for _, f := range Explain(ev) {
		if f.Object.Kind != "Pod" || !hasLogs(f) {
			continue
		}
		for _, c := range byName[f.Object.Name] {
			started := c.terminated() != nil || c.status.State.Running != nil
			if started && (f.Container == c.spec.Name || f.Container == "" && !c.initial) {
				add(c)
			}
		}
	}
	return targets
}

// hasLogs reports whether the finding is about a program that ran.
func hasLogs(f Finding) bool {
	switch classes[f.Code].stage {
	case "init", "run", "probe", "symptom":
		return f.Code != "RestartedThenReady"
	case "start":
		return f.Code == "ExecFormatError" || f.Code == "CommandNotFound"
	case "controller":
		return strings.HasPrefix(f.Code, "Job")
	}
	return false
}
