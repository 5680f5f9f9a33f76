package report

import (
	"fmt"
	"path/filepath"

	"github.com/rolloutgate/rolloutgate/gate"
)

// keptPod says how to look at the pod that an undo has left, and how to get rid of it.
func (p *page) keptPod(u *gate.Undo) {
	if u == nil || u.KeptPod == nil {
		return
	}
	p.heading("kept pod", oneLine(u.KeptPod.Object.String())+" of "+oneLine(u.KeptPod.Workload.String()))
	for _, c := range keptCommands(*u.KeptPod) {
		p.line("  %s%s", pad(c.purpose, 10), c.line)
	}
}

// lookCommand is a command for a person, and what it is for.
type lookCommand struct{ purpose, line string }

// keptCommands are those for a kept pod. They name no cluster: that is up to who looks.
func keptCommands(k gate.KeptPod) []lookCommand {
	at := "-n " + oneLine(k.Object.Namespace) + " " + oneLine(k.Object.Name)
	container := ""
	if k.Container != "" {
		container = " -c " + oneLine(k.Container)
	}
	return []lookCommand{
		{"state", "kubectl describe pod " + at},
		{"log", "kubectl logs " + at + container},
		{"inside", "kubectl exec -it " + at + container + " -- sh"},
		{"delete", "kubectl delete pod " + at},
	}
}

// logs says where the whole logs are.
func (p *page) logs(logs []gate.KeptLog) {
	if len(logs) == 0 {
		return
	}
	var rows []row
	for _, l := range logs {
		rows = append(rows, row{cells: []string{filepath.Join(p.Dir, filepath.FromSlash(oneLine(l.File))), logSize(l)}})
	}
	p.table([]string{"logs", ""}, 0, cut(rows, maxChanges))
}

// logSize is how much of a log there is.
func logSize(l gate.KeptLog) string {
	size := fmt.Sprintf("%d bytes", l.Bytes)
	switch {
	case l.Bytes >= 1<<20:
		size = fmt.Sprintf("%.1f MiB", float64(l.Bytes)/(1<<20))
	case l.Bytes >= 10<<10:
		size = fmt.Sprintf("%d KiB", l.Bytes>>10)
	}
	if l.Truncated {
		return size + ", not all of it"
	}
	return size
}

func (d *document) keptPod(u *gate.Undo) {
	if u == nil || u.KeptPod == nil {
		return
	}
	text := "\n### Kept pod: " + codeSpan(u.KeptPod.Object.String()) + "\n\nThe undo has left it for you to look at. No controller owns it any more, and no Service finds it.\n\n"
	var lines []string
	for _, c := range keptCommands(*u.KeptPod) {
		lines = append(lines, c.line)
	}
	d.section(text + codeBlock("sh", lines))
}

func (d *document) logs(logs []gate.KeptLog) {
	var rows [][]string
	for _, l := range logs {
		of := codeCell(l.Object.String()) + " " + codeCell(l.Container)
		if l.Previous {
			of += ", the attempt before"
		}
		rows = append(rows, []string{of, codeCell(l.File), escapeMarkdown(logSize(l))})
	}
	d.titled("### Logs, in the folder of this report", []string{"Container", "File", "Size"}, rows)
}
