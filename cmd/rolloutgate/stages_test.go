package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
)

// stagesOfFile reads a config file with a run's flags.
func stagesOfFile(text string) ([]gate.Part, error) {
	file, err := fromFile((&program{}).runCommand().Flags(), nil, "conf/rolloutgate.yaml", []byte(text))
	return file.stages, err
}

// TestStages: what each entry means.
func TestStages(t *testing.T) {
	five, half, one := gate.Share{Percent: 5}, gate.Share{Percent: 50}, gate.Share{Pods: 1}
	for text, want := range map[string][]gate.Part{
		"- canary: 5%\n- canary: 50%\n  hold: 10m": {{Canary: five}, {Canary: half, Hold: 10 * time.Minute}},
		"- canary: 1\n- canary: 50%\n- canary: 2\n- promote": {
			{Canary: one}, {Canary: half}, {Canary: gate.Share{Pods: 2}},
		},
		"- canary: 5%\n- approve\n- canary: 50%\n- approve: {timeout: 5m, by: '.*@example.com'}\n- promote": {
			{Canary: five, Approval: &gate.Approval{Timeout: time.Hour}},
			{Canary: half, Approval: &gate.Approval{Timeout: 5 * time.Minute, By: ".*@example.com"}},
		},
		"- canary: 1\n- park":           {{Canary: one, Approval: &gate.Approval{Park: true}}},
		"- canary: 1\n- park:":          {{Canary: one, Approval: &gate.Approval{Park: true}}},
		"- canary: &n 1\n- canary: 50%": {{Canary: one}, {Canary: half}},
		"- traffic: 5%\n  hold: 1m\n- traffic: 33.333%\n- approve": {
			{Traffic: 5, Hold: time.Minute}, {Traffic: 33.333, Approval: &gate.Approval{Timeout: time.Hour}},
		},
		"- preview\n- switch\n- promote:":     {{Preview: &gate.Preview{}}, {Switch: true}},
		"- preview:\n  hold: 1m\n- switch: ~": {{Preview: &gate.Preview{}, Hold: time.Minute}, {Switch: true}},
		"- preview: {service: web-preview}\n  test: {command: [./smoke.sh, ''], timeout: 1m}\n- switch:\n  hold: 5m\n  test: {job: smoke.yaml}\n- approve": {
			{Preview: &gate.Preview{Service: "web-preview"}, Test: &gate.Test{Command: []string{"./smoke.sh", ""}, Dir: "conf", Timeout: time.Minute}},
			{Switch: true, Hold: 5 * time.Minute, Test: &gate.Test{Job: "smoke.yaml", Dir: "conf"}, Approval: &gate.Approval{Timeout: time.Hour}},
		},
		"- promote": nil,
	} {
		got, err := stagesOfFile("stages:\n" + text)
		if err != nil {
			t.Errorf("%s\n%v", text, err)
			continue
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(gate.Test{})); diff != "" {
			t.Errorf("%s\n(-want +got)\n%s", text, diff)
		}
	}
}

// TestStagesWrong: every mistake has its line, what is wrong, and what to write instead.
func TestStagesWrong(t *testing.T) {
	for text, want := range map[string]string{
		"stages:":                             `1:8: reading stages: not a list of stages` + "\n  hint: write one in a line",
		"stages: []":                          "1:9: reading stages: not a list",
		"stages: {canary: 5%}":                "1:9: reading stages: not a list",
		"stages:\n- canary: 1\nstages: []":    "3:1: reading stages: they are there twice",
		"canary: 5%\nstages: [promote]":       "1:1: reading stages: canary and stages are both there\n  hint: keep one of the two",
		"stages: [canary: 5%]\nhold: 1m":      "2:1: reading stages: hold and stages are both there",
		"stages:\n- [canary]":                 "2:3: reading stages: a stage is not a mapping",
		"stages:\n- hold: 5m":                 "2:3: reading stages: an entry that does not say what it is\n  hint: it needs one of canary, traffic, approve, park, preview, switch, promote",
		"stages:\n- canarry: 5%":              `2:3: reading stages: unknown key "canarry" in a stage` + "\n" + `  hint: did you mean "canary"?`,
		"stages:\n- promot":                   `hint: did you mean "promote"?`,
		"stages:\n- canary: 5%\n  wait: 5m":   `3:3: reading stages: unknown key "wait" in a stage` + "\n  hint: known keys are hold, test, canary",
		"stages:\n- canary: 5%\n  canary: 6%": `3:3: reading stages: the key "canary" is there twice`,
		"stages:\n- canary: 5%\n  approve:":   "3:3: reading stages: canary and approve in one entry\n  hint: write each of them as an entry of its own",

		"stages:\n- canary: 0%":                      `2:11: reading stages: "0%" is no share of pods` + "\n  hint: write a percentage such as canary: 5%",
		"stages:\n- canary":                          `2:3: reading stages: "" is no share`,
		"stages:\n- canary: [5%]":                    "2:11: reading stages: \"\" is no share",
		"stages:\n- canary: 50%\n- canary: 5%":       "3:11: reading stages: a canary of 5% is no more than the 50% before it\n  hint: each stage has more",
		"stages:\n- canary: 2\n- canary: 2":          "3:11: reading stages: a canary of 2 is no more than the 2 before it",
		"stages: [canary: 9, canary: 1%, canary: 3]": "a canary of 3 is no more than the 9 before it",

		"stages:\n- canary: 1\n  hold: soon":              `3:9: reading stages: hold: "soon" is not a duration` + "\n  hint: write a duration such as 30s",
		"stages:\n- canary: 1\n  hold: -5m":               `hold: "-5m" is not a duration`,
		"stages:\n- canary: 1\n- approve:\n  hold: 5m":    "4:3: reading stages: hold cannot be said of approve\n  hint: write it to the canary",
		"stages:\n- canary: 1\n- promote:\n  hold: 5m":    "4:3: reading stages: hold cannot be said of promote",
		"stages: [{canary: 1}, {park: , test: {job: x}}]": "test cannot be said of park",

		"stages:\n- approve":                                "2:3: reading stages: approve without a stage before it\n  hint: there is nothing to approve yet",
		"stages:\n- park":                                   "park without a stage before it",
		"stages:\n- canary: 1\n- approve\n- park":           "4:3: reading stages: park after a stage that waits for somebody already",
		"stages:\n- canary: 1\n- approve: {by: '('}":        `3:17: reading stages: "(" is no regular expression`,
		"stages:\n- canary: 1\n- approve: {by: }":           `"" is no regular expression`,
		"stages:\n- canary: 1\n- approve: {timeout: never}": `3:22: reading stages: timeout: "never" is not a duration`,
		"stages:\n- canary: 1\n- approve: {timeuot: 1h}":    `hint: did you mean "timeout"?`,
		"stages:\n- canary: 1\n- approve: me":               "3:12: reading stages: approve is not a mapping",
		"stages:\n- canary: 1\n- park: me":                  "3:9: reading stages: park takes no value\n  hint: write it alone: - park",
		"stages:\n- promote: 100%":                          "2:12: reading stages: promote takes no value",
		"stages:\n- promote\n- canary: 5%":                  "3:3: reading stages: promote is not the last one\n  hint: nothing can come after",
		"stages:\n- promote\n- promote":                     "promote is not the last one",

		"stages:\n- traffic: 5":                   "2:12: reading stages: \"5\" is no share of requests\n  hint: write a percentage of more than 0 and less than 100",
		"stages:\n- traffic: 100%":                "\"100%\" is no share of requests",
		"stages:\n- traffic: 0%":                  "\"0%\" is no share of requests",
		"stages:\n- traffic: NaN%":                "\"NaN%\" is no share of requests",
		"stages:\n- traffic: [5%]":                "\"\" is no share of requests",
		"stages:\n- traffic: 5.0001%":             "a share of 5.0001% is too exact",
		"stages:\n- traffic: 50%\n- traffic: 50%": "3:12: reading stages: a share of 50% is no more than the 50% before it\n  hint: each stage sends more",
		"stages:\n- traffic: 5%\n- canary: 50%":   "3:3: reading stages: a canary together with a share of traffic",
		"stages:\n- canary: 5%\n- traffic: 50%":   "3:3: reading stages: a share of traffic together with a canary",
		"stages:\n- preview\n- traffic: 50%":      "3:3: reading stages: a share of traffic together with a preview",
		"stages:\n- traffic: 5%\n- preview":       "3:3: reading stages: a preview together with a share of traffic",
		"stages:\n- traffic: 5%\n- switch":        "3:3: reading stages: switch without a preview before it",

		"stages:\n- switch":                                       "2:3: reading stages: switch without a preview before it",
		"stages:\n- preview\n- switch\n- switch":                  "4:3: reading stages: switch is there twice",
		"stages:\n- preview\n- switch: now":                       "switch takes no value",
		"stages:\n- preview\n- preview":                           "a preview that is not the first stage",
		"stages:\n- preview: web":                                 "2:12: reading stages: preview is not a mapping",
		"stages:\n- preview: {service: Web_1}":                    `2:22: reading stages: "Web_1" is no name of a Service`,
		"stages:\n- preview: {servise: web}":                      `hint: did you mean "service"?`,
		"stages:\n- preview\n- canary: 5%":                        "3:3: reading stages: a canary together with a preview",
		"stages:\n- canary: 5%\n- preview":                        "3:3: reading stages: a preview together with a canary",
		"stages: [{canary: 1, test: }]":                           "test is not a mapping",
		"stages: [{canary: 1, test: {}}]":                         "a test is a command or a job\n  hint: write test: {command: [./smoke.sh]}",
		"stages: [{canary: 1, test: {job: }}]":                    "job is not the name of a file",
		"stages: [{canary: 1, test: {command: x.sh}}]":            "command is not a list\n  hint: write the program and its arguments as a list",
		"stages: [{canary: 1, test: {command: []}}]":              "command is not a list",
		"stages: [{canary: 1, test: {command: [' ']}}]":           "command is not a list of words",
		"stages: [{canary: 1, test: {command: [a, [b]]}}]":        "command is not a list of words",
		"stages: [{canary: 1, test: {comand: [a]}}]":              `hint: did you mean "command"?`,
		"stages: [{canary: 1, test: {command: [a], job: b}}]":     "a test is a command or a job",
		"stages: [{canary: 1, test: {job: b, timeout: 1m}}]":      "timeout cannot be said of a job\n  hint: a Job has spec.activeDeadlineSeconds",
		"stages: [{canary: 1, test: {command: [a], timeout: 0}}]": `timeout: "0" is not a duration`,
		"stagse: []": `unknown key "stagse"`,
	} {
		_, err := stagesOfFile(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint: ") || !strings.HasPrefix(err.Error(), "conf/rolloutgate.yaml:") {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
		if err != nil && codeOf(err) != gate.Invalid.Code() {
			t.Errorf("%s: exit code %d", text, codeOf(err))
		}
	}
}

// TestStagesOrFlags: a flag that says which stages there are takes the place of the file's.
func TestStagesOrFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".", defaultConfig, "stages:\n- canary: 5%\n  hold: 1m\n")
	for args, want := range map[string]string{
		"":                          "5% 1m0s",
		"--canary 20%":              "20% 0s",
		"--canary 1 --hold 5m":      "1 5m0s",
		"--hold 5m":                 "--hold does not go with the stages of the config file",
		"--approve":                 "--approve does not go with",
		"--helm-tests --timeout 5m": "5% 1m0s",
	} {
		p := &program{getenv: func(string) string { return "" }}
		o := p.newOptions()
		c := p.planCommand()
		c.ResetFlags()
		o.connection(c.Flags())
		o.staging(c.Flags())
		o.gating(c.Flags())
		if err := c.ParseFlags(strings.Fields(args)); err != nil {
			t.Fatal(err)
		}
		if err := o.complete(c, p.getenv); err != nil {
			t.Fatal(err)
		}
		d, err := o.delivery()
		got := ""
		switch {
		case err != nil:
			got, _, _ = strings.Cut(err.Error(), "\n")
		default:
			got = d.Parts[0].Canary.String() + " " + d.Parts[0].Hold.String()
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}

// TestStagesPage: the blocks of the page are files that are read, and it names all that an entry can be.
func TestStagesPage(t *testing.T) {
	_, section, _ := strings.Cut(string(readFile(t, "docs/delivery.md")), "## Stages in the config file")
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?ms)^```yaml\n(stages:.*?)^```").FindAllStringSubmatch(section, -1)
	if len(blocks) < 2 {
		t.Fatalf("there are %d blocks", len(blocks))
	}
	for _, b := range blocks {
		if parts, err := stagesOfFile(b[1]); err != nil || len(parts) == 0 {
			t.Errorf("%v in\n%s", err, b[1])
		}
	}
	for _, kind := range append(stageKinds, "hold", "test") {
		if !strings.Contains(section, "| `"+kind) {
			t.Errorf("the table has no row for %s", kind)
		}
	}
}
