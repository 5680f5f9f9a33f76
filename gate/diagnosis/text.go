package diagnosis

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// quote, plural and short are the words of the whole program.
func quote(text string) string          { return wording.Quote(text) }
func plural(n int, thing string) string { return wording.Plural(n, thing) }
func short(d time.Duration) string      { return wording.Duration(d) }

// noun is a thing or several, without the number.
func noun(n int, thing string) string {
	if n == 1 {
		return thing
	}
	return thing + "s"
}

// afterStart tells when something happened since a start: " as soon as it starts", ", 4s after it starts".
func afterStart(d time.Duration) string {
	if d < time.Second {
		return " as soon as it starts"
	}
	return ", " + short(d) + " after it starts"
}

// list joins names for a sentence and leaves the tail of a long list out.
func list(names []string) string {
	const shown = 5
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}

// proof quotes an event.
func (e Event) proof() Proof {
	text := e.Reason + ": " + quote(e.Message)
	if e.Count > 1 {
		text += fmt.Sprintf(" (×%d)", e.Count)
	}
	return Proof{Type: "event", Text: text, Time: e.Time, Ref: e.Object.String()}
}

// proofs quotes the newest of some events, at most n.
func proofs(events []Event, n int) []Proof {
	var all []Proof
	for i := len(events) - 1; i >= 0 && len(all) < n; i-- {
		all = append(all, events[i].proof())
	}
	return all
}

// ref says where a container's status was read.
func (c container) ref() string { return "pod/" + c.pod.Name + " container " + c.spec.Name }

// statusProof quotes the state of a waiting container.
func (c container) statusProof() Proof {
	reason, message := c.waiting()
	text := "waiting: " + reason
	if message != "" {
		text += ": " + quote(message)
	}
	return Proof{Type: "status", Text: text, Ref: c.ref()}
}

// exitProof quotes how a container ended.
func (c container) exitProof() Proof {
	t := c.terminated()
	text := fmt.Sprintf("terminated: %s, exit code %d, ran %s, %s", t.Reason, t.ExitCode,
		short(lasted(t)), plural(int(c.status.RestartCount), "restart"))
	if lines := strings.Split(strings.TrimSpace(t.Message), "\n"); len(lines) > 1 && !neverStarted(c) {
		text += ": " + messages.Words(lines[messages.Headline(lines)]) // all of it is quoted as a log is
	} else if t.Message != "" {
		text += ": " + quote(t.Message)
	}
	return Proof{Type: "status", Text: text, Time: t.FinishedAt.Time, Ref: c.ref()}
}
