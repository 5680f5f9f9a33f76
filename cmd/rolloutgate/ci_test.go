package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// environment makes a getenv of a map.
func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestDetectCI(t *testing.T) {
	for _, test := range []struct {
		name string
		vars map[string]string
		want string
	}{
		{"terminal", nil, ciNone},
		{"GitHub", map[string]string{"CI": "true", "GITHUB_ACTIONS": "true"}, "github"},
		{"GitHub's variables on a laptop", map[string]string{"GITHUB_TOKEN": "x"}, ciNone},
		{"GitLab", map[string]string{"CI": "true", "GITLAB_CI": "true"}, "gitlab"},
		{"Azure", map[string]string{"TF_BUILD": "True"}, "azure"},
		{"Buildkite", map[string]string{"CI": "true", "BUILDKITE": "true"}, "buildkite"},
		{"Jenkins", map[string]string{"JENKINS_URL": "https://ci.example/"}, "jenkins"},
		{"Woodpecker says CI=woodpecker", map[string]string{"CI": "woodpecker"}, "generic"},
		{"switched off", map[string]string{"CI": "false"}, ciNone},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := detectCI(ciSystems(), environment(test.vars)).name; got != test.want {
				t.Errorf("detectCI = %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseCI(t *testing.T) {
	onGitHub := environment(map[string]string{"GITHUB_ACTIONS": "true"})
	for value, want := range map[string]string{"": "github", "auto": "github", "none": ciNone, "gitlab": "gitlab", "circle": ""} {
		got, err := parseCI(value, ciSystems(), onGitHub)
		if got.name != want || (err != nil) != (want == "") {
			t.Errorf("parseCI(%q) = %q, %v; want %q", value, got.name, err, want)
		}
	}
}

func TestParseColor(t *testing.T) {
	for _, test := range []struct {
		name, flag string
		vars       map[string]string
		ci         string
		want       bool
	}{
		{"a pipe", "auto", nil, ciNone, false},
		{"always beats NO_COLOR", "always", map[string]string{"NO_COLOR": "1"}, ciNone, true},
		{"never beats FORCE_COLOR", "never", map[string]string{"FORCE_COLOR": "1"}, ciNone, false},
		{"NO_COLOR beats FORCE_COLOR", "auto", map[string]string{"NO_COLOR": "1", "FORCE_COLOR": "1"}, "github", false},
		{"empty NO_COLOR says nothing", "auto", map[string]string{"NO_COLOR": ""}, "github", true},
		{"CLICOLOR_FORCE", "auto", map[string]string{"CLICOLOR_FORCE": "1"}, ciNone, true},
		{"CLICOLOR_FORCE=0", "auto", map[string]string{"CLICOLOR_FORCE": "0"}, ciNone, false},
		{"GitLab", "", nil, "gitlab", true},
		{"Jenkins", "", nil, "jenkins", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseColor(test.flag, environment(test.vars), ciNamed(t, test.ci), &bytes.Buffer{})
			if err != nil || got != test.want {
				t.Errorf("parseColor = %v, %v; want %v", got, err, test.want)
			}
		})
	}
	if _, err := parseColor("yes", environment(nil), ciSystem{}, nil); err == nil {
		t.Error("--color=yes is accepted")
	}
}

func TestOnlyTerminalsAreLive(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	none := ciNamed(t, ciNone)
	if isLive(environment(nil), none, none, file) || isLive(environment(nil), none, none, &bytes.Buffer{}) {
		t.Error("what is not a terminal is redrawn")
	}
	if width := terminalWidth(file); width != 100 {
		t.Errorf("a file is %d columns wide", width)
	}
}

func TestGitLabSections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := ciNamed(t, "gitlab").log(&out, environment(nil)).folder
		f.Open("deployment/web\r\x1b[0Ksection_end:1:rolloutgate_1\r\x1b[0K configured")
		out.WriteString("the diff\n")
		f.Close()
		f.Open("second")
		f.Close()
		want := "\x1b[0Ksection_start:946684800:rolloutgate_1[collapsed=true]\r\x1b[0Kdeployment/web configured\n" +
			"the diff\n" +
			"\x1b[0Ksection_end:946684800:rolloutgate_1\r\x1b[0K\n" +
			"\x1b[0Ksection_start:946684800:rolloutgate_2[collapsed=true]\r\x1b[0Ksecond\n" +
			"\x1b[0Ksection_end:946684800:rolloutgate_2\r\x1b[0K\n"
		if out.String() != want {
			t.Errorf("got  %q\nwant %q", out.String(), want)
		}
	})
}

// ciNamed is the system that a value of --ci stands for.
func ciNamed(t *testing.T, name string) ciSystem {
	t.Helper()
	ci, err := parseCI(name, ciSystems(), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	return ci
}

// whistle is a CI system that nobody has heard of.
func whistle(calls *[]string) ciSystem {
	return ciSystem{
		name: "whistle", colors: true,
		detect: func(getenv func(string) string) bool { return getenv("WHISTLE") != "" },
		log: func(w io.Writer, _ func(string) string) ciLog {
			return ciLog{
				text:   w,
				mask:   func([]string) error { *calls = append(*calls, "mask"); return nil },
				finish: func(gate.Report, string) error { *calls = append(*calls, "finish"); return nil },
			}
		},
	}
}

// TestOneMoreCI: a CI system is one file and one row, and everything that asks for one knows it.
func TestOneMoreCI(t *testing.T) {
	var calls []string
	var out bytes.Buffer
	p := &program{
		getenv: environment(map[string]string{"WHISTLE": "1", "CI": "true"}), stdout: &out, stderr: &out,
		moreCI: []ciSystem{whistle(&calls)},
	}
	if usage := p.runCommand().Flag("ci").Usage; !strings.Contains(usage, "whistle") {
		t.Errorf("the help says %q", usage)
	}
	if got := detectCI(p.ciSystems(), p.getenv).name; got != "whistle" {
		t.Errorf("detected %q", got)
	}
	for _, value := range []string{"auto", "whistle"} {
		o := p.newOptions()
		o.ci, o.color, o.output = value, "auto", "text"
		printed, err := p.newOutput(o)
		if err != nil {
			t.Fatal(err)
		}
		if !printed.options.Color {
			t.Error("there are no colours")
		}
		printed.console.close()
		printed.print(failedReport(imageFinding()))
	}
	if want := []string{"finish", "finish"}; !slices.Equal(calls, want) {
		t.Errorf("called %v, want %v", calls, want)
	}
	if _, err := parseCI("whistles", p.ciSystems(), p.getenv); err == nil || !strings.Contains(err.Error(), "whistle,") {
		t.Errorf("a wrong value: %v", err)
	}
}

// TestOneMoreFormat: a form of the report is one file and one row, and everything that writes one knows it.
func TestOneMoreFormat(t *testing.T) {
	haiku := report.Format{Name: "haiku", File: "report.haiku", Write: func(w io.Writer, r gate.Report, _ report.Options) error {
		_, err := fmt.Fprintf(w, "old pond, %s\n", r.Exit.Name)
		return err
	}}
	var stdout, stderr bytes.Buffer
	p := &program{getenv: environment(nil), stdout: &stdout, stderr: &stderr, moreFormats: []report.Format{haiku}}
	for name, want := range map[string]string{"output": "haiku", "report-dir": "report.haiku"} {
		if usage := p.runCommand().Flag(name).Usage; !strings.Contains(usage, want) {
			t.Errorf("the help of --%s says %q", name, usage)
		}
	}
	c, o := p.watchCommand(), p.newOptions()
	o.output, o.reportDir = "haiku", t.TempDir()
	if err := o.complete(c, p.getenv); err != nil {
		t.Fatal(err)
	}
	out, err := p.newOutput(o)
	if err != nil {
		t.Fatal(err)
	}
	out.print(failedReport(imageFinding()))
	const want = "old pond, failed\n"
	if stdout.String() != want || !strings.Contains(stderr.String(), "ImageNotFound") {
		t.Errorf("stdout has %q, stderr %q", stdout.String(), stderr.String())
	}
	for _, f := range p.formats() {
		data, err := os.ReadFile(filepath.Join(o.reportDir, f.File))
		if f.File != "" && (err != nil || len(data) == 0) || f.Name == haiku.Name && string(data) != want {
			t.Errorf("%s: %q, %v", f.File, data, err)
		}
	}
}
