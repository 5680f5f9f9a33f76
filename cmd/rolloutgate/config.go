package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/endpoint"
	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/notice"
)

// defaultConfig is read when it is there and --config names no other.
const defaultConfig = "rolloutgate.yaml"

// envPrefix begins the environment variable of every flag: --undo-timeout is ROLLOUTGATE_UNDO_TIMEOUT.
const envPrefix = "ROLLOUTGATE_"

// serverKey is the key of the server's settings in the config file.
const serverKey = "prometheus"

// stagesKey is the key of the stages in the config file.
const stagesKey = "stages"

// notifyKey is the key of those who are told of a run.
const notifyKey = "notify"

// objectsKey is the key of how some objects are treated alone.
const objectsKey = "objects"

// notInFile are the flags that a config file cannot set: where it is itself, and who runs it.
var notInFile = []string{"config", "help", "kubeconfig", "as", "context", "github-oidc-audience"}

// envName is the environment variable of a flag.
func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fileKey is the key of a flag in the config file: --undo-timeout is undoTimeout.
func fileKey(flag string) string {
	words := strings.Split(flag, "-")
	for i, w := range words[1:] {
		words[i+1] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// usageError is bad input of the user: exit code 2.
type usageError struct{ text, hint string }

// Outcome says what it means for the exit code.
func (*usageError) Outcome() gate.Outcome { return gate.Invalid }

func (e *usageError) Error() string {
	if e.hint == "" {
		return e.text
	}
	return e.text + "\n  hint: " + e.hint
}

// configFile is what a config file says beyond flags.
type configFile struct {
	spec    analysis.Spec
	server  prometheus.Settings
	stages  []gate.Part
	notify  []notice.Config
	objects []objectRow
	sites   []site
}

// fillFlags fills the flags that were not given from the environment, then from the config file, and returns what else
// the file says.
func fillFlags(c *cobra.Command, getenv func(string) string) (configFile, error) {
	flags := c.Flags()
	none := configFile{spec: analysis.Spec{Timing: analysis.DefaultTiming()}}
	if err := fromEnvironment(flags, getenv); err != nil {
		return none, err
	}
	path, err := flags.GetString("config")
	if err != nil {
		return none, nil // the command has no config file
	}
	data, err := os.ReadFile(orDefault(path, defaultConfig))
	if errors.Is(err, fs.ErrNotExist) && path == "" {
		return none, nil
	}
	if err != nil {
		return none, &usageError{fmt.Sprintf("reading the config file: %v", err), "check the path given by --config"}
	}
	return fromFile(flags, keysOf(c.Root()), orDefault(path, defaultConfig), data)
}

// keysOf are the keys that a command or one below it knows. One file serves all commands.
func keysOf(c *cobra.Command) []string {
	keys := knownKeys(c.Flags())
	for _, below := range c.Commands() {
		for _, key := range keysOf(below) {
			if !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
}

func orDefault(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}

func fromEnvironment(flags *pflag.FlagSet, getenv func(string) string) error {
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		value := getenv(envName(f.Name))
		if f.Changed || value == "" {
			return
		}
		if err := setAll(flags, f, strings.Split(strings.TrimRight(value, "\n"), "\n")); err != nil {
			errs = append(errs, &usageError{fmt.Sprintf("reading %s: %v", envName(f.Name), err), ""})
		}
	})
	return errors.Join(errs...)
}

// setAll sets a flag to a value, or a repeatable one to several. In the environment they stand one on a line.
func setAll(flags *pflag.FlagSet, f *pflag.Flag, values []string) error {
	if _, repeatable := f.Value.(pflag.SliceValue); !repeatable && len(values) > 1 {
		return fmt.Errorf("takes one value, not %d", len(values))
	}
	for _, v := range values {
		if v = strings.TrimSpace(v); v == "" {
			continue
		}
		if err := flags.Set(f.Name, v); err != nil {
			return err
		}
	}
	return nil
}

// fromFile reads a config file: keys named after flags, the keys of analysis.Spec, and those of tables of their own. A key
// that only another command knows is that one's.
func fromFile(flags *pflag.FlagSet, known []string, path string, data []byte) (configFile, error) {
	file := configFile{spec: analysis.Spec{Timing: analysis.DefaultTiming()}}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return file, &usageError{fmt.Sprintf("%s: %s", path, strings.TrimPrefix(err.Error(), "yaml: ")), "the file must be valid YAML"}
	}
	if len(document.Content) == 0 {
		return file, nil
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return file, &usageError{fmt.Sprintf("%s:%d: not a mapping", path, root.Line), "write it as lines of 'key: value'"}
	}
	criteria := &yaml.Node{Kind: yaml.MappingNode, Line: root.Line, Column: root.Column, Tag: root.Tag}
	var errs []error
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		f := flagOfKey(flags, key.Value)
		switch {
		case slices.Contains(analysis.SpecKeys(), key.Value):
			criteria.Content = append(criteria.Content, key, value)
		case key.Value == serverKey:
			var err error
			file.server, err = prometheus.ParseConfig(path, value)
			errs = append(errs, err)
		case key.Value == stagesKey:
			var err error
			file.stages, err = readStages(path, root, value)
			errs = append(errs, err)
		case key.Value == notifyKey:
			var err error
			file.notify, err = notice.Parse(path, value)
			errs = append(errs, err)
		case key.Value == objectsKey:
			var err error
			file.objects, err = readObjects(path, value)
			errs = append(errs, err)
		case key.Value == clustersKey:
			var err error
			file.sites, err = readClusters(path, value)
			errs = append(errs, err)
		case key.Value == "apiVersion" || key.Value == "kind":
		case f == nil && slices.Contains(known, key.Value):
		case f == nil:
			hint := "known keys are " + strings.Join(known, ", ")
			if near := analysis.Closest(key.Value, known); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			errs = append(errs, &usageError{fmt.Sprintf("%s:%d: unknown key %q", path, key.Line, key.Value), hint})
		case !f.Changed:
			if err := setFromNode(flags, f, value); err != nil {
				errs = append(errs, &usageError{fmt.Sprintf("%s:%d: reading %s: %v", path, value.Line, key.Value, err), ""})
			}
		}
	}
	spec, err := analysis.ParseSpec(path, criteria)
	file.spec = spec
	if err == nil {
		err = endpoint.Check(spec)
	}
	return file, errors.Join(append(errs, err)...)
}

func flagOfKey(flags *pflag.FlagSet, key string) *pflag.Flag {
	var found *pflag.Flag
	flags.VisitAll(func(f *pflag.Flag) {
		if fileKey(f.Name) == key && !slices.Contains(notInFile, f.Name) {
			found = f
		}
	})
	return found
}

func knownKeys(flags *pflag.FlagSet) []string {
	keys := append(analysis.SpecKeys(), serverKey, stagesKey, notifyKey, objectsKey, clustersKey)
	flags.VisitAll(func(f *pflag.Flag) {
		if key := fileKey(f.Name); !slices.Contains(notInFile, f.Name) && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	})
	slices.Sort(keys)
	return keys
}

func setFromNode(flags *pflag.FlagSet, f *pflag.Flag, value *yaml.Node) error {
	switch value.Kind {
	case yaml.ScalarNode:
		return setAll(flags, f, []string{value.Value})
	case yaml.SequenceNode:
		var values []string
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return errors.New("takes plain values")
			}
			values = append(values, item.Value)
		}
		return setAll(flags, f, values)
	}
	return errors.New("takes a value or a list of values")
}
