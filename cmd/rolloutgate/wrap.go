package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
)

// commandWarning is how long a command that makes a release has to end by itself when the run is cancelled: the undo waits
// for that, and a CI system waits for neither.
const commandWarning = 3 * time.Second

// wrapping are the flags of a run that lets a command make the release.
func (o *options) wrapping(flags *pflag.FlagSet) {
	flags.StringVar(&o.commandText, "command", "", "command that makes the release instead of manifests, as one text; or write it after --")
	flags.StringSliceVar(&o.wrapped, "workload", nil, "what the command is to change, such as deployment/web; repeatable")
	flags.StringVarP(&o.selector, "selector", "l", "", "labels of what the command is to change, such as app=web")
	flags.StringSliceVar(&o.snapshot, "snapshot", nil, "more objects that the command may change, as KIND/NAME; what the pods of the workloads read, their Services and autoscalers are looked at anyway; repeatable")
	o.undoingBy(flags)
}

// undoingBy is the flag for a command that takes a release back.
func (o *options) undoingBy(flags *pflag.FlagSet) {
	flags.StringVar(&o.undoText, "undo-command", "", "command that takes a bad release back which a command has made, such as 'helm rollback web'; what it has made is compared with what was there before")
}

// argv is the command that makes the release, and none where manifests do.
func (o *options) argv(c *cobra.Command, args []string) ([]string, error) {
	dash := c.ArgsLenAtDash()
	switch {
	case len(args) > 0 && dash != 0:
		return nil, &usageError{fmt.Sprintf("unknown argument %q", args[0]), "manifests are named with -f; a command that makes the release stands after --"}
	case len(args) > 0 && o.commandText != "":
		return nil, &usageError{"there are two commands: one of --command, and one after --", "leave one of them out"}
	case dash == 0 && len(args) == 0:
		return nil, &usageError{"there is no command after --", "for example: -- helm upgrade --install web ./chart"}
	case len(args) > 0:
		return args, nil
	}
	return words("--command", o.commandText)
}

// undoCommand reads --undo-command, and looks whether there is such a program.
func (o *options) readUndoCommand() ([]string, error) {
	argv, err := words("--undo-command", o.undoText)
	if err != nil || len(argv) == 0 {
		return nil, err
	}
	return argv, isProgram("--undo-command", argv[0])
}

// isProgram refuses a program that this machine does not have, before anything is changed.
func isProgram(where, name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return &usageError{fmt.Sprintf("reading %s: there is no program %q that could be run: %v", where, name, reason(err)), "a path counts from the working directory; what only a shell knows has to be written as sh -c '…'"}
	}
	return nil
}

// wrap reads what a run with a command consists of.
func (o *options) wrap(argv []string) (gate.Command, error) {
	c := gate.Command{Argv: argv, Workloads: o.wrapped, Also: o.snapshot, Selector: o.selector}
	switch {
	case len(o.filenames) > 0 || o.kustomize != "":
		return c, &usageError{"-f and -k do not go with a command", "either the command makes the release, or rolloutgate does from the manifests"}
	case len(o.wrapped) == 0 && o.selector == "":
		return c, &usageError{"nothing says what the command is to change", "name the workloads with --workload deployment/web, or select them with --selector app=web"}
	case o.dryRun == "server":
		return c, cannotPlan()
	case o.forceConflicts:
		return c, &usageError{"--force-conflicts does not go with a command", "what it writes, and over whom, is its own business"}
	case o.restart:
		return c, &usageError{"--restart-on-config-change does not go with a command", "let the command restart what reads the ConfigMap"}
	case o.prune.given():
		return c, &usageError{"--prune, --prune-protected and --prune-most do not go with a command", "what it deletes is its own business; leave them out, or give the manifests to rolloutgate: helm template web ./chart | rolloutgate run --prune web -f -"}
	}
	d, err := o.delivery()
	if err != nil {
		return c, err
	}
	if len(d.Parts) > 0 || d.Drain || d.HelmTests {
		return c, &usageError{"stages do not go with a command: it changes all pods at once, and nothing can be held back",
			"leave them out, also those of the config file, or let rolloutgate apply the manifests: helm template web ./chart | rolloutgate run -f -"}
	}
	return c, isProgram("the command", argv[0])
}

func cannotPlan() error {
	return &usageError{"what a command would change is not known before it has run", "plan manifests instead, for example those of helm template, or ask the command: helm diff, kubectl apply --dry-run=server"}
}

// withoutCommand refuses the flags of a command where there is none.
func (o *options) withoutCommand() error {
	for flag, given := range map[string]bool{"workload": len(o.wrapped) > 0, "selector": o.selector != "", "snapshot": len(o.snapshot) > 0, "undo-command": o.undoText != ""} {
		if given {
			return &usageError{"--" + flag + " without a command", "write the command after --, for example: -- helm upgrade --install web ./chart"}
		}
	}
	return nil
}

// wrapCommand is run with a command in the place of manifests.
func (p *program) wrapCommand(ctx context.Context, o *options, argv []string) error {
	command, err := o.wrap(argv)
	if err != nil {
		return err
	}
	p.writes = true
	return p.withGate(ctx, o, func(g gate.Gate, client *cluster.Client) (gate.Report, error) {
		asking, cancel := context.WithTimeout(ctx, findTime)
		_, err := client.Names(asking, append(append([]string(nil), command.Workloads...), command.Also...))
		cancel()
		switch gate.OutcomeOf(err) {
		case gate.Internal, gate.Refused:
			err = usage(err)
		}
		if err != nil {
			return gate.Report{}, err
		}
		p.announce(&g, o.reportDir)
		return g.Wrap(ctx, command)
	})
}

// carriesOut carries out commands that make a release or take one back. Tools that have variables for it are told the
// cluster and the namespace of the run, unless somebody has told them others.
func (o *options) carriesOut(getenv func(string) string) func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
	var same []string
	add := func(name, value string) {
		if value != "" && getenv(name) == "" {
			same = append(same, name+"="+value)
		}
	}
	add("HELM_NAMESPACE", o.namespace())
	add("HELM_KUBECONTEXT", *o.kube.Context)
	if path := *o.kube.KubeConfig; path != "" {
		same = append(same, "KUBECONFIG="+path)
	}
	return func(ctx context.Context, argv, env []string, line func(string)) (int, error) {
		path, err := exec.LookPath(argv[0])
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if err != nil {
			return -1, fmt.Errorf("there is no program %q that could be run: %w", argv[0], reason(err))
		}
		return process{path: path, args: argv[1:], env: append(env, same...), warning: commandWarning}.run(ctx, line)
	}
}

// words takes a command apart as a shell does: white space parts words, quotes and backslashes keep it. No shell reads it,
// so what only a shell could do is refused instead of being handed to the program.
func words(where, text string) ([]string, error) {
	var all []string
	var word strings.Builder
	var quote rune
	in, escaped := false, false
	for _, c := range text {
		switch {
		case escaped:
			if quote == '"' && !strings.ContainsRune("\"\\$`", c) {
				word.WriteRune('\\')
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			in, escaped = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == '\'':
			word.WriteRune(c)
		case c == '$' || c == '`', quote == 0 && strings.ContainsRune("|&;<>()", c):
			return nil, &usageError{fmt.Sprintf("reading %s: %q means something to a shell, and no shell reads it", where, c), "put it into single quotes, or write sh -c '…'"}
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			in, quote = true, c
		case strings.ContainsRune(" \t\r\n", c):
			if in {
				all = append(all, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteRune(c)
		}
	}
	if quote != 0 || escaped {
		return nil, &usageError{"reading " + where + ": a quote is not closed", "it is read as a shell reads a command"}
	}
	if in {
		all = append(all, word.String())
	}
	return all, nil
}
