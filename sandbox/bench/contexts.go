package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// Several clusters at once are several contexts of one kubeconfig. All of them lead to the one control plane of the sandbox,
// each to a namespace of its own: ten control planes are more than a small machine holds.

// contextCommands roll one manifest out in every context. A rolloutgate that knows clusters does so in one process, all of
// them in one wave.
func (b *bench) contextCommands(ctx context.Context, n int) []command {
	var names []string
	for i := range n {
		names = append(names, contextName(i))
	}
	all := strings.Join(names, " ")
	atOnce := func(each string) []string {
		const script = `pids=; for c in %contexts; do (%each) & pids="$pids $!"; done; for p in $pids; do wait $p || exit 1; done`
		return []string{"sh", "-c", strings.NewReplacer("%contexts", all, "%each", each).Replace(script), "%s"}
	}
	commands := []command{
		{name: kubectlCold + ", a process each", args: atOnce(`kubectl --context $c apply -f "$0" && kubectl --context $c rollout status deployment --selector ` + benchLabel + ` --timeout=10m`)},
		{name: gateName + ", a process each", args: atOnce(`"` + b.options.rolloutgate + `" run --context $c -f "$0"`)},
	}
	schema, err := exec.CommandContext(ctx, b.options.rolloutgate, "schema", "config").Output()
	if err == nil && strings.Contains(string(schema), `"clusters"`) {
		config := "clusters:\n- [" + strings.Join(names, ", ") + "]\n"
		commands = append(commands, command{name: gateName, args: []string{b.options.rolloutgate, "run", "-f", "%s"}, config: config})
	}
	return commands
}

func contextName(i int) string { return fmt.Sprintf("cluster-%d", i) }

// measureContexts rolls one size out in several contexts at once. What several processes need is the memory of the largest
// of them, and the CPU time of all.
func (b *bench) measureContexts(ctx context.Context, s size) ([]*track, error) {
	var tracks []*track
	for i, c := range b.contextCommands(ctx, s.contexts) {
		t := &track{command: c, namespace: fmt.Sprintf("contexts-%s-%d", s.slug(), i), size: s, replicas: s.pods}
		for n := range s.contexts {
			if err := b.api.create(ctx, "/api/v1/namespaces", namespaceObject(t.inContext(n))); err != nil {
				return nil, err
			}
		}
		for round := range 1 + s.rounds { // the first one creates
			t.revision++
			if _, err := b.relay.take(); err != nil {
				return nil, err
			}
			m, err := b.rollContexts(ctx, t)
			if err != nil {
				return nil, err
			}
			sent, err := b.relay.take()
			if err != nil {
				return nil, err
			}
			if round > 0 {
				t.samples = append(t.samples, sample{wall: m.wall, cpu: m.cpu, rss: m.rss, traffic: sent})
				fmt.Fprintf(os.Stderr, "%-18s %-20s %7.2fs wall %6.2fs cpu %5.1f MiB %8d bytes in\n", s, c.name, m.wall.Seconds(), m.cpu.Seconds(), float64(m.rss)/(1<<20), sent.received)
			}
			for n := range s.contexts {
				if err := b.settled(ctx, t.inContext(n), s.all()); err != nil {
					return nil, err
				}
			}
		}
		tracks = append(tracks, t)
		for n := range s.contexts {
			if err := b.discard(ctx, []*track{{namespace: t.inContext(n), size: s}}); err != nil {
				return nil, err
			}
		}
	}
	return tracks, nil
}

// inContext is the namespace of one context.
func (t *track) inContext(n int) string { return fmt.Sprintf("%s-%d", t.namespace, n) }

func (b *bench) rollContexts(ctx context.Context, t *track) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, oneRollout)
	defer cancel()
	dir, err := os.MkdirTemp(b.dir, "run-")
	if err != nil {
		return measured{}, err
	}
	defer os.RemoveAll(dir)
	file, e := filepath.Join(dir, "web.yaml"), environment{path: b.path, home: dir, kubeconfig: filepath.Join(dir, "kubeconfig")}
	if err := os.WriteFile(file, []byte(t.manifest()), 0o600); err != nil {
		return measured{}, err
	}
	if err := harness.Kubeconfig(b.sandbox, b.server, t.namespace, e.kubeconfig); err != nil {
		return measured{}, err
	}
	text, err := os.ReadFile(e.kubeconfig)
	if err != nil {
		return measured{}, err
	}
	several, err := severalContexts(string(text), t.size.contexts, t.inContext)
	if err != nil {
		return measured{}, err
	}
	if err := os.WriteFile(e.kubeconfig, several, 0o600); err != nil {
		return measured{}, err
	}
	if t.command.config != "" {
		if err := os.WriteFile(filepath.Join(dir, "rolloutgate.yaml"), []byte(t.command.config), 0o600); err != nil {
			return measured{}, err
		}
	}
	m, err := execute(ctx, dir, e, t.command.with(file, ""))
	if err != nil {
		return m, fmt.Errorf("running %s for %s: %w", t.command.name, t.size, err)
	}
	for n := range t.size.contexts {
		if err := b.verify(ctx, &track{command: t.command, namespace: t.inContext(n), size: t.size, replicas: t.replicas, revision: t.revision}); err != nil {
			return m, err
		}
	}
	return m, nil
}
