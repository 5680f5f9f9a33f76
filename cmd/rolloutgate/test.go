package main

import (
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// test reads what has to succeed before a stage goes on.
func (r *stageReader) test(value *yaml.Node) *gate.Test {
	t := &gate.Test{Dir: filepath.Dir(r.file)}
	var timeout, job, command *yaml.Node
	read := r.mapping("test", value, []tableField{
		{"command", func(key, value *yaml.Node) { command, t.Command = key, r.command(value) }},
		{"job", func(key, value *yaml.Node) {
			if job = key; value.Kind != yaml.ScalarNode || value.Value == "" || value.Value == "-" || isNull(value) {
				r.fault(value, "job is not the name of a file", "name a file with Jobs, such as job: smoke.yaml")
			}
			t.Job = value.Value
		}},
		{"timeout", func(key, value *yaml.Node) { timeout, t.Timeout = key, r.duration("timeout", value) }},
	})
	switch {
	case !read:
	case (command == nil) == (job == nil):
		r.fault(value, "a test is a command or a job", "write test: {command: [./smoke.sh]} or test: {job: smoke.yaml}")
	case job != nil && timeout != nil:
		r.fault(timeout, "timeout cannot be said of a job", "a Job has spec.activeDeadlineSeconds")
	}
	return t
}

// command reads a program and its arguments. No shell takes them apart.
func (r *stageReader) command(value *yaml.Node) []string {
	const hint = "write the program and its arguments as a list, such as command: [./smoke.sh, --fast]"
	if value.Kind != yaml.SequenceNode || len(value.Content) == 0 {
		r.fault(value, "command is not a list", hint)
		return nil
	}
	var words []string
	for i, item := range value.Content {
		item = behindAlias(item)
		if item.Kind != yaml.ScalarNode || isNull(item) || i == 0 && strings.TrimSpace(item.Value) == "" {
			r.fault(item, "command is not a list of words", hint)
			continue
		}
		words = append(words, item.Value)
	}
	return words
}

// findCommands refuses the commands of tests that this machine does not have, before anything is written. Where stages are
// only checked, a program without a path may be installed on another machine.
func (o *options) findCommands(installed bool) error {
	for _, part := range o.stages {
		if part.Test == nil || len(part.Test.Command) == 0 || !installed && filepath.Base(part.Test.Command[0]) == part.Test.Command[0] {
			continue
		}
		if _, err := programOf(*part.Test); err != nil {
			return &usageError{"reading the test of a stage: " + err.Error(), "a path counts from the folder of the config file, and the file has to be executable"}
		}
	}
	return nil
}

// jobFiles are the files with the Jobs of tests.
func (o *options) jobFiles() []string {
	var paths []string
	for _, part := range o.stages {
		if t := part.Test; t != nil && t.Job != "" {
			paths = append(paths, jobFile(*t))
		}
	}
	return paths
}

func jobFile(t gate.Test) string {
	if filepath.IsAbs(t.Job) {
		return t.Job
	}
	return filepath.Join(t.Dir, t.Job)
}

// readJobs reads the Jobs of tests, and returns all of them.
func (o *options) readJobs() (manifest.Manifests, error) {
	var all manifest.Manifests
	for _, part := range o.stages {
		t := part.Test
		if t == nil || t.Job == "" {
			continue
		}
		read, err := manifest.Read(manifest.Options{Filenames: []string{jobFile(*t)}, Hooks: true})
		if err != nil {
			return all, err
		}
		for i, object := range read.Objects {
			read.Objects[i].Hook = true
			if kind := object.Ref().GroupKind().String(); kind != "Job.batch" && kind != "Pod" {
				return all, &usageError{object.Note("it cannot test a stage: only a Job or a Pod comes to an end"), "deploy what the test needs with the release"}
			}
		}
		t.Objects = read.Objects
		all.Objects = append(all.Objects, read.Objects...)
	}
	return all, nil
}
