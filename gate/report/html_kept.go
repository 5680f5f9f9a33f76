package report

import (
	"net/url"
	"path"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
)

// keptPodSection says how to look at the pod that an undo has left.
func keptPodSection(u *gate.Undo) markup {
	if u == nil || u.KeptPod == nil {
		return ""
	}
	var lines []string
	for _, c := range keptCommands(*u.KeptPod) {
		lines = append(lines, c.line)
	}
	return tag("section", nil, tag("h2", nil, "Kept pod: ", code(u.KeptPod.Object.String())),
		tag("p", nil, "The undo has left it for you to look at. No controller owns it any more, and no Service finds it."),
		tag("pre", attrs{"tabindex", "0"}, text(strings.Join(lines, "\n")))) + "\n"
}

// logsSection leads to the logs beside the page.
func logsSection(logs []gate.KeptLog) markup {
	var rows []gridRow
	for _, l := range logs {
		attempt := markup("the last")
		if l.Previous {
			attempt = "the one before"
		}
		rows = append(rows, gridRow{cells: []markup{code(l.Object.String()), code(l.Container), attempt, besides(l.File), text(logSize(l))}})
	}
	return tableSection("Logs", "Whole logs of bad containers, in the folder of this page", columns("Pod", "Container", "Attempt", "File", "#Size"), rows)
}

// besides leads to a file in the folder of the page or below it. What could lead elsewhere stays text.
func besides(file string) markup {
	file = oneLine(file)
	if file == "" || path.Clean(file) != file || path.IsAbs(file) || strings.HasPrefix(file, "..") {
		return text(file)
	}
	u := url.URL{Path: "./" + file} // a colon in its name makes no scheme of it
	return tag("a", attrs{"href", u.String()}, breakable(file))
}
