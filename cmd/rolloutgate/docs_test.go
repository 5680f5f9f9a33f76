package main

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/notice"
)

var update = flag.Bool("update", false, "rewrite the generated parts of the documentation")

const root = "../../"

func TestReadmeExitCodes(t *testing.T) {
	var table strings.Builder
	table.WriteString("| code | name | meaning |\n|---|---|---|\n")
	for _, o := range gate.Outcomes() {
		fmt.Fprintf(&table, "| %d | `%s` | %s |\n", o.Code(), o.Name(), o.Meaning())
	}
	generated(t, "README.md", "exit codes", table.String())
}

func TestFlagsPage(t *testing.T) {
	var page strings.Builder
	for _, c := range commands() {
		fmt.Fprintf(&page, "## rolloutgate %s\n\n%s.\n\n```\n%s\n```\n\n", c.Name(), c.Short, c.UseLine())
		page.WriteString("| flag | default | what it does |\n|---|---|---|\n")
		c.Flags().VisitAll(func(f *pflag.Flag) {
			name := "`--" + f.Name + "`"
			if f.Shorthand != "" {
				name = "`-" + f.Shorthand + "`, " + name
			}
			fmt.Fprintf(&page, "| %s | %s | %s |\n", name, quoted(defaultOf(f)), strings.ReplaceAll(f.Usage, "|", `\|`))
		})
		page.WriteString("\n")
	}
	generated(t, "docs/flags.md", "flags", page.String())
}

// TestDocsCauses: the reference of causes is what the catalogue says.
func TestDocsCauses(t *testing.T) {
	causes := diagnosis.Causes()
	size := map[string]int{}
	for _, c := range causes {
		size[c.Family]++
	}
	flag := regexp.MustCompile(`--grace \S+|--no-fail-fast=\S+`)
	var index, text strings.Builder
	index.WriteString("| code | what is wrong | when it decides |\n|---|---|---|\n")
	for i, c := range causes {
		if i == 0 || c.Family != causes[i-1].Family { // the number keeps its anchor apart from those of codes
			fmt.Fprintf(&text, "## %s (%d)\n\n", c.Family, size[c.Family])
		}
		fmt.Fprintf(&index, "| [%s](#%s) | %s | %s |\n", c.Code, strings.ToLower(c.Code), cell(firstSentence(c.Meaning)), c.Patience())
		fmt.Fprintf(&text, "### %s\n\n%s\n\n", c.Code, c.Meaning)
		fmt.Fprintf(&text, "- **Read from:** %s\n- **Usual fix:** %s\n", c.Signals, c.Remedy)
		fmt.Fprintf(&text, "- **Blames:** layer %s, scope %s, stage %s\n- **Decides:** %s\n", c.Layer(), c.Scope(), c.Stage(), c.Patience())
		if knob := c.Knob(); knob != "" {
			fmt.Fprintf(&text, "- **To tune:** %s\n", flag.ReplaceAllString(knob, "`$0`"))
		}
		text.WriteString("\n")
	}
	generated(t, "docs/causes.md", "index", index.String())
	generated(t, "docs/causes.md", "causes", text.String())
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// firstSentence is enough for a table.
func firstSentence(text string) string {
	if first, _, more := strings.Cut(text, ". "); more {
		return first + "."
	}
	return text
}

func quoted(value string) string {
	if value == "" {
		return ""
	}
	return "`" + value + "`"
}

// action is action.yml, as far as it is held to the code.
type action struct {
	Inputs map[string]struct {
		Description string
		Default     *string
	}
	Outputs map[string]struct{ Description, Value string }
	Runs    struct {
		Using string
		Steps []actionStep
	}
}

type actionStep struct {
	ID, Uses, Run string
	Env           map[string]string
}

func (a action) step(t *testing.T, id string) actionStep {
	t.Helper()
	for _, s := range a.Runs.Steps {
		if s.ID == id {
			return s
		}
	}
	t.Fatalf("action.yml has no step %q", id)
	return actionStep{}
}

// inAction is how a step of the action hands an input over. The reports always have a folder: the step that puts back what a
// killed run left finds the run there.
func inAction(name string) string {
	otherwise := ""
	if name == "report-dir" {
		otherwise = " || format('{0}/rolloutgate', runner.temp)"
	}
	return fmt.Sprintf("${{ inputs.%s || env.%s%s }}", name, envName(name), otherwise)
}

// notInputs are the flags that make no sense in a step of GitHub Actions: the action decides what is printed, and for
// whom.
var notInputs = []string{"help", "as", "output", "ci", "color"}

// notFlags are the inputs of the action that say where the program comes from, and where it runs.
var notFlags = []string{"binary", "version", "install-mode", "download-url", "install-only", "working-directory"}

func TestActionInputs(t *testing.T) {
	a := readAction(t)
	p := &program{}
	flags := p.runCommand().Flags()
	env := a.step(t, "run").Env
	flags.VisitAll(func(f *pflag.Flag) {
		_, is := a.Inputs[f.Name]
		if is == slices.Contains(notInputs, f.Name) {
			t.Errorf("the flag --%s of 'rolloutgate run' and the inputs of action.yml: is an input: %t", f.Name, is)
		}
	})
	for name, input := range a.Inputs {
		if input.Default == nil || *input.Default != "" {
			t.Errorf("the input %s has a default of its own: defaults stand in the program", name)
		}
		if slices.Contains(notFlags, name) {
			continue
		}
		if flags.Lookup(name) == nil {
			t.Errorf("the input %s is no flag of 'rolloutgate run'", name)
		}
		if got, want := env[envName(name)], inAction(name); got != want {
			t.Errorf("the run step sets %s to %q, want %q", envName(name), got, want)
		}
	}
	if extra := len(env) - 1 - (len(a.Inputs) - len(notFlags)); extra != 0 {
		t.Errorf("the run step has %d variables that are no inputs", extra)
	}
}

// TestActionUndo: what a killed run left is put back with the same flags that the run had.
func TestActionUndo(t *testing.T) {
	a := readAction(t)
	env := a.step(t, "undo").Env
	want := map[string]string{"BINARY": env["BINARY"], envName("unfinished"): inAction("report-dir")}
	(&program{}).undoCommand().Flags().VisitAll(func(f *pflag.Flag) {
		if _, is := a.Inputs[f.Name]; is {
			want[envName(f.Name)] = inAction(f.Name)
		}
	})
	if diff := cmp.Diff(want, env); diff != "" {
		t.Error(diff)
	}
}

func TestActionOutputs(t *testing.T) {
	a := readAction(t)
	written := map[string]bool{}
	for _, o := range outputs(gate.Report{}, reportFiles{}) {
		written[o.name] = true
		if want := fmt.Sprintf("${{ steps.run.outputs.%s }}", o.name); a.Outputs[o.name].Value != want {
			t.Errorf("the output %s is %q, want %q", o.name, a.Outputs[o.name].Value, want)
		}
	}
	for name := range a.Outputs {
		if !written[name] {
			t.Errorf("nobody writes the output %s", name)
		}
	}
}

// TestActionIsSafe: an input in the text of a script is code that a stranger wrote; an action inside the action is one
// that nobody pinned; and without exec a cancelled job never reaches rolloutgate.
func TestActionIsSafe(t *testing.T) {
	a := readAction(t)
	if a.Runs.Using != "composite" {
		t.Errorf("action.yml is %s", a.Runs.Using)
	}
	for i, s := range a.Runs.Steps {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("step %d has an expression in its script", i)
		}
		if s.Uses != "" {
			t.Errorf("step %d uses %s", i, s.Uses)
		}
	}
	for _, id := range []string{"run", "undo"} {
		if run := a.step(t, id).Run; !strings.HasPrefix(run, "exec ") || strings.Contains(strings.TrimSpace(run), "\n") {
			t.Errorf("the step %s is %q, not one exec", id, run)
		}
	}
}

func TestActionPage(t *testing.T) {
	data := readFile(t, "action.yml")
	var file yaml.Node
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	a := readAction(t)
	inputs, results := "| input | what it is |\n|---|---|\n", "| output | what it is |\n|---|---|\n"
	for i := 0; i+1 < len(file.Content[0].Content); i += 2 {
		key, value := file.Content[0].Content[i].Value, file.Content[0].Content[i+1]
		for j := 0; j+1 < len(value.Content); j += 2 {
			switch name := value.Content[j].Value; key {
			case "inputs":
				inputs += fmt.Sprintf("| `%s` | %s |\n", name, a.Inputs[name].Description)
			case "outputs":
				results += fmt.Sprintf("| `%s` | %s |\n", name, a.Outputs[name].Description)
			}
		}
	}
	generated(t, "docs/github-actions.md", "inputs", inputs)
	generated(t, "docs/github-actions.md", "outputs", results)
}

// TestWorkflows holds our own workflows, and the ones that we tell others to copy, to the same rules.
func TestWorkflows(t *testing.T) {
	paths, err := filepath.Glob(root + ".github/workflows/*.yml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	pinned := regexp.MustCompile(`^(actions/[a-z-]+@[0-9a-f]{40}|\./|rolloutgate/rolloutgate@.+)$`)
	examples, err := filepath.Glob(root + "examples/*/deploy.yml")
	if err != nil || len(examples) < 4 {
		t.Fatalf("no workflows among the examples: %v", err)
	}
	for _, path := range append(paths, examples...) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var workflow struct {
			Permissions map[string]string
			Jobs        map[string]struct {
				Permissions    map[string]string
				TimeoutMinutes int `yaml:"timeout-minutes"`
				Steps          []struct {
					Uses, Run string
					With      map[string]string
				}
			}
		}
		if err := yaml.Unmarshal(data, &workflow); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if workflow.Permissions == nil || len(workflow.Permissions) != 0 {
			t.Errorf("%s: wants 'permissions: {}' at its top", path)
		}
		for name, job := range workflow.Jobs {
			if job.Permissions == nil || job.TimeoutMinutes == 0 {
				t.Errorf("%s: the job %s wants permissions and timeout-minutes of its own", path, name)
			}
			for _, s := range job.Steps {
				if strings.Contains(s.Run, "${{") {
					t.Errorf("%s: the job %s has an expression in a script", path, name)
				}
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned to a commit", path, s.Uses)
				}
				if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false" {
					t.Errorf("%s: the job %s leaves the checkout's credentials behind", path, name)
				}
				if s.Uses == "./" || strings.HasPrefix(s.Uses, "rolloutgate/") {
					checkWith(t, path, s.With)
				}
			}
		}
	}
}

func checkWith(t *testing.T, path string, with map[string]string) {
	a := readAction(t)
	for name := range with {
		if _, ok := a.Inputs[name]; !ok {
			t.Errorf("%s: the action has no input %s", path, name)
		}
	}
}

// TestLinks looks for the files and headings that the pages point to.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, path := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(string(readFile(t, path)), -1) {
			target, _, _ := strings.Cut(found[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, filepath.Dir(path), target)); err != nil {
				t.Errorf("%s points to %s: %v", path, target, err)
			}
		}
	}
}

// TestBlocksParse: YAML in a page is YAML, and a config file in it is one of ours.
func TestBlocksParse(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	for _, path := range pages(t) {
		for _, found := range block.FindAllStringSubmatch(string(readFile(t, path)), -1) {
			var document any
			if err := yaml.Unmarshal([]byte(found[1]), &document); err != nil {
				t.Errorf("%s: %v in\n%s", path, err, found[1])
			}
			if regexp.MustCompile(`(?m)^(criteria|prometheus|stages|notify):`).MatchString(found[1]) {
				if _, err := fromFile((&program{}).runCommand().Flags(), nil, path, []byte(found[1])); err != nil {
					t.Errorf("%s: %v in\n%s", path, err, found[1])
				}
			}
		}
	}
}

// TestConfigFilesParse reads the config files of the examples as rolloutgate does.
func TestConfigFilesParse(t *testing.T) {
	for _, path := range []string{"examples/success-criteria/rolloutgate.yaml", "examples/http-criteria/rolloutgate.yaml", "examples/quickstart/criteria.yaml"} {
		if _, err := fromFile((&program{}).runCommand().Flags(), nil, path, readFile(t, path)); err != nil {
			t.Error(err)
		}
	}
}

// TestPagesNameFlags: a flag that a page or an example names exists.
func TestPagesNameFlags(t *testing.T) {
	known := map[string]bool{"help": true}
	for _, c := range commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
	}
	call := regexp.MustCompile(`(?m)^.*\brolloutgate (?:run|plan|watch|diagnose|drill|rbac|version)\b(?:[^\n]*\\\n)*[^\n]*$`)
	word := regexp.MustCompile(`--([a-z][a-z-]+)`)
	for _, path := range append(pages(t), "examples/jenkins/Jenkinsfile", "examples/quickstart/demo.sh") {
		for _, line := range call.FindAllString(string(readFile(t, path)), -1) {
			own, _, _ := strings.Cut(line, " -- ") // what follows is another program's
			for _, name := range word.FindAllStringSubmatch(own, -1) {
				if !known[name[1]] && !strings.Contains(line, "kubectl") {
					t.Errorf("%s: there is no flag --%s in %q", path, name[1], line)
				}
			}
		}
	}
}

// generated holds the text between two markers of a page to what the code says, or writes it there.
func generated(t *testing.T, path, name, want string) {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- begin %s: written by go test ./cmd/rolloutgate -update -->\n", name), fmt.Sprintf("<!-- end %s -->", name)
	page := string(readFile(t, path))
	before, rest, found := strings.Cut(page, begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no markers %q and %q", path, begin, end)
	}
	want = strings.TrimRight(want, "\n") + "\n"
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(root+path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s is not what the code says; -update rewrites it (-page +code):\n%s", path, cmp.Diff(got, want))
}

// commands are the commands that a user sees, without cobra's own.
func commands() []*cobra.Command {
	return slices.DeleteFunc((&program{}).root().Commands(), func(c *cobra.Command) bool { return c.Hidden })
}

func readAction(t *testing.T) action {
	t.Helper()
	var a action
	if err := yaml.Unmarshal(readFile(t, "action.yml"), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// pages are the Markdown files of the module.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "bin", "dist", "testdata", "rolloutgate-report"}, entry.Name()) {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			found = append(found, strings.TrimPrefix(path, root))
		}
		return nil
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return found
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(root + path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestServerKeys: the page names the keys of prometheus: that the code knows, in its order.
func TestServerKeys(t *testing.T) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte("qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq: 1"), &node); err != nil {
		t.Fatal(err)
	}
	_, err := prometheus.ParseConfig("", &node)
	_, known, _ := strings.Cut(fmt.Sprint(err), "known keys are ")
	known, _, _ = strings.Cut(known, "\n")
	_, section, _ := strings.Cut(string(readFile(t, "docs/criteria.md")), "## Reaching Prometheus")
	section, _, _ = strings.Cut(section, "\n## ")
	var told []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		told = append(told, row[1])
	}
	if got := strings.Join(told, ", "); got != known || known == "" {
		t.Errorf("the page has the keys %s, the code %s", got, known)
	}
}

// TestNoticePage: the page of notices names each kind, each occasion and each key of a summary that the code knows, and no others.
func TestNoticePage(t *testing.T) {
	page := string(readFile(t, "docs/notices.md"))
	table := func(title string) []string {
		_, part, _ := strings.Cut(page, title)
		part, _, _ = strings.Cut(part, "\n\n")
		var words []string
		for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(part, -1) {
			for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(row[1], -1) {
				words = append(words, word[1])
			}
		}
		return words
	}
	var occasions, keys []string
	for _, o := range notice.Occasions() {
		occasions = append(occasions, string(o))
	}
	summary := reflect.TypeFor[notice.Summary]()
	for i := range summary.NumField() {
		key, _, _ := strings.Cut(summary.Field(i).Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	for title, want := range map[string][]string{"| word | when |\n": occasions, "out.\n\n| key | what it is |\n": keys} {
		if diff := cmp.Diff(want, table(title)); diff != "" {
			t.Errorf("the table after %q differs (-code +page):\n%s", title, diff)
		}
	}
	for _, k := range notice.Kinds() {
		if !strings.Contains(page, "- "+k.Name+":") {
			t.Errorf("the page has no example of %s", k.Name)
		}
	}
	for _, header := range []string{notice.HeaderOccasions, notice.HeaderDelivery, notice.HeaderTimestamp, notice.HeaderSignature} {
		if !strings.Contains(page, "`"+header+"`") {
			t.Errorf("the page does not name the header %s", header)
		}
	}
}
