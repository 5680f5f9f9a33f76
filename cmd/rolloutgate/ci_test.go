package main

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
)

// environment makes a getenv of a map.
func environment(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestDetectCI(t *testing.T) {
	for _, test := range []struct {
		name string
		vars map[string]string
		want CI
	}{
		{"terminal", nil, ciNone},
		{"GitHub", map[string]string{"CI": "true", "GITHUB_ACTIONS": "true"}, ciGitHub},
		{"GitHub's variables on a laptop", map[string]string{"GITHUB_TOKEN": "x"}, ciNone},
		{"GitLab", map[string]string{"CI": "true", "GITLAB_CI": "true"}, ciGitLab},
		{"Azure", map[string]string{"TF_BUILD": "True"}, ciAzure},
		{"Buildkite", map[string]string{"CI": "true", "BUILDKITE": "true"}, ciBuildkite},
		{"Jenkins", map[string]string{"JENKINS_URL": "https://ci.example/"}, ciJenkins},
		{"Woodpecker says CI=woodpecker", map[string]string{"CI": "woodpecker"}, ciGeneric},
		{"switched off", map[string]string{"CI": "false"}, ciNone},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := detectCI(environment(test.vars)); got != test.want {
				t.Errorf("detectCI = %q, want %q", got, test.want)
			}
		})
	}
}

func TestParseCI(t *testing.T) {
	onGitHub := environment(map[string]string{"GITHUB_ACTIONS": "true"})
	for value, want := range map[string]CI{"": ciGitHub, "auto": ciGitHub, "none": ciNone, "gitlab": ciGitLab, "circle": ""} {
		got, err := parseCI(value, onGitHub)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("parseCI(%q) = %q, %v; want %q", value, got, err, want)
		}
	}
}

func TestParseColor(t *testing.T) {
	for _, test := range []struct {
		name, flag string
		vars       map[string]string
		ci         CI
		want       bool
	}{
		{"a pipe", "auto", nil, ciNone, false},
		{"always beats NO_COLOR", "always", map[string]string{"NO_COLOR": "1"}, ciNone, true},
		{"never beats FORCE_COLOR", "never", map[string]string{"FORCE_COLOR": "1"}, ciNone, false},
		{"NO_COLOR beats FORCE_COLOR", "auto", map[string]string{"NO_COLOR": "1", "FORCE_COLOR": "1"}, ciGitHub, false},
		{"empty NO_COLOR says nothing", "auto", map[string]string{"NO_COLOR": ""}, ciGitHub, true},
		{"CLICOLOR_FORCE", "auto", map[string]string{"CLICOLOR_FORCE": "1"}, ciNone, true},
		{"CLICOLOR_FORCE=0", "auto", map[string]string{"CLICOLOR_FORCE": "0"}, ciNone, false},
		{"GitLab", "", nil, ciGitLab, true},
		{"Jenkins", "", nil, ciJenkins, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseColor(test.flag, environment(test.vars), test.ci, &bytes.Buffer{})
			if err != nil || got != test.want {
				t.Errorf("parseColor = %v, %v; want %v", got, err, test.want)
			}
		})
	}
	if _, err := parseColor("yes", environment(nil), ciNone, nil); err == nil {
		t.Error("--color=yes is accepted")
	}
}

func TestOnlyTerminalsAreLive(t *testing.T) {
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isLive(environment(nil), ciNone, file) || isLive(environment(nil), ciNone, &bytes.Buffer{}) {
		t.Error("what is not a terminal is redrawn")
	}
	if width := terminalWidth(file); width != 100 {
		t.Errorf("a file is %d columns wide", width)
	}
}

func TestGitLabSections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		f := folder(ciGitLab, &out)
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

func TestOthersDoNotFold(t *testing.T) {
	for _, ci := range []CI{ciNone, ciJenkins, ciAzure, ciGitHub} {
		if f := folder(ci, &bytes.Buffer{}); f != nil {
			t.Errorf("%s folds with %T", ci, f)
		}
	}
}
