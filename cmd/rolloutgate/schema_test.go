package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate"
)

const configSchemaFile = "config.schema.json"

// choices are the flags that take one of a few words.
func choices() map[string][]string {
	p := &program{}
	return map[string][]string{
		"output": formatNames(p.formats()), "undo": {"on-failure", "never"}, "on-cancel": {"undo", "leave"}, "dry-run": {"none", "server"},
		"record":     {string(gate.KeepInCluster), string(gate.KeepInFile), string(gate.KeepNothing)},
		"undo-scope": {"cluster", "wave", "all"},
		"preflight":  {string(gate.PreflightEnforce), string(gate.PreflightWarn), string(gate.PreflightOff)},
		"gitops":     {string(gate.GitOpsRefuse), string(gate.GitOpsWarn)},
		"color":      {"auto", "always", "never"}, "ci": ciNames(p.ciSystems()),
	}
}

// schemaOfFlag is what the config file takes for a flag.
func schemaOfFlag(f *pflag.Flag) map[string]any {
	out := map[string]any{"description": strings.ToUpper(f.Usage[:1]) + f.Usage[1:] + "."}
	scalar := map[string]any{"$ref": "#/$defs/scalar"}
	_, repeatable := f.Value.(pflag.SliceValue)
	switch {
	case choices()[f.Name] != nil:
		out["enum"] = choices()[f.Name]
	case repeatable:
		out["oneOf"] = []any{scalar, map[string]any{"type": "array", "items": scalar}}
	case f.Value.Type() == "bool":
		out["type"] = "boolean"
	case f.Value.Type() == "duration":
		out["$ref"] = "#/$defs/duration"
	case f.Value.Type() == "int":
		out["type"] = "integer"
	default:
		maps.Copy(out, scalar)
	}
	return out
}

// TestConfigSchemaHasEveryFlag: the schema has what the flags say. -update writes that; the rest of it is written by hand.
func TestConfigSchemaHasEveryFlag(t *testing.T) {
	var document map[string]any
	if err := json.Unmarshal(readFile(t, "cmd/rolloutgate/"+configSchemaFile), &document); err != nil {
		t.Fatal(err)
	}
	byHand := append(knownKeys(pflag.NewFlagSet("", pflag.ContinueOnError)), "apiVersion", "kind")
	properties := map[string]any{}
	for key, value := range document["properties"].(map[string]any) {
		if slices.Contains(byHand, key) {
			properties[key] = value
		}
	}
	for _, c := range commands() {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if key := fileKey(f.Name); !slices.Contains(notInFile, f.Name) && properties[key] == nil {
				properties[key] = schemaOfFlag(f)
			}
		})
	}
	document["properties"] = properties
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(configSchemaFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want.String(), string(configSchema)); diff != "" {
		t.Errorf("%s is not what the flags say; -update rewrites it (-flags +file):\n%s", configSchemaFile, diff)
	}
	var missing []string
	for _, key := range keysOf((&program{}).root()) {
		if properties[key] == nil {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		t.Errorf("the schema lacks the keys %v", missing)
	}
}

// TestConfigSchemaHasEveryKey: the keys of each table in the schema are those that its reader knows, as it says in the hint
// about one that it does not.
func TestConfigSchemaHasEveryKey(t *testing.T) {
	const strange = "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq: 1"
	var document struct {
		Defs map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(configSchema, &document); err != nil {
		t.Fatal(err)
	}
	probes := map[string]string{
		"on": "on: {%s}", "criterion": "criteria: [{%s}]", "ratio": "criteria: [{ratio: {%s}}]", "slow": "criteria: [{slow: {%s}}]",
		"slo": "criteria: [{slo: {%s}}]", "alerts": "criteria: [{alerts: {%s}}]", "http": "criteria: [{http: {%s}}]", "prometheus": "prometheus: {%s}",
		"basicAuth": "prometheus: {basicAuth: {%s}}", "bearer": "prometheus: {bearer: {%s}}", "oauth2": "prometheus: {oauth2: {%s}}",
		"tls": "prometheus: {tls: {%s}}", "stage": "stages: [{canary: 1, %s}]", "preview": "stages: [{preview: {%s}}]",
		"approve": "stages: [{canary: 1}, {approve: {%s}}]", "test": "stages: [{canary: 1, test: {%s}}]",
		"notice": "notify: [{%s}]", "slack": "notify: [{slack: {%s}}]", "teams": "notify: [{teams: {%s}}]", "webhook": "notify: [{webhook: {%s}}]",
		"email": "notify: [{email: {%s}}]", "object": "objects: [{kind: Job, %s}]", "cluster": "clusters: [{%s}]",
	}
	for name, def := range document.Defs {
		if len(def.Properties) == 0 {
			continue
		}
		probe, there := probes[name]
		if !there {
			t.Errorf("no probe reads a table %s", name)
			continue
		}
		_, err := fromFile((&program{}).runCommand().Flags(), nil, "c.yaml", []byte(fmt.Sprintf(probe, strange)))
		_, known, _ := strings.Cut(fmt.Sprint(err), "known keys are ")
		known, _, _ = strings.Cut(known, "\n")
		want := strings.Split(known, ", ")
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(def.Properties))); diff != "" {
			t.Errorf("%s (-reader +schema):\n%s\n%v", name, diff, err)
		}
	}
}

// checker is a compiled schema.
func checker(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON is a YAML document as a schema sees it.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var document any
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// configFiles are all config files of the module.
func configFiles(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"examples/quickstart/criteria.yaml": readFile(t, "examples/quickstart/criteria.yaml")}
	for _, dir := range []string{"examples", "sandbox"} {
		err := filepath.WalkDir(root+dir, func(path string, _ fs.DirEntry, err error) error {
			if err == nil && filepath.Base(path) == defaultConfig {
				path = strings.TrimPrefix(path, root)
				files[path] = readFile(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestConfigFilesMeetTheSchema: every config file of the examples does, and every one in a page.
func TestConfigFilesMeetTheSchema(t *testing.T) {
	s := checker(t, configSchema)
	files := configFiles(t)
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	for _, path := range pages(t) {
		for i, found := range block.FindAllStringSubmatch(string(readFile(t, path)), -1) {
			if regexp.MustCompile(`(?m)^(criteria|prometheus|stages|objects):`).MatchString(found[1]) {
				files[fmt.Sprintf("%s, block %d", path, i+1)] = []byte(found[1])
			}
		}
	}
	for path, text := range files {
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestConfigSchemaFindsMistakes: what the reader refuses for its form, the schema does.
func TestConfigSchemaFindsMistakes(t *testing.T) {
	s := checker(t, configSchema)
	for _, text := range []string{
		"tiemout: 5m", "timeout: 5", "timeout: soon", "settle: -1s", "undo: maybe", "criteria: {a: b}", "criteria: [{nmae: a}]",
		"criteria: [{noData: maybe}]", "criteria: [{for: 0}]", "criteria: [{enforce: 3}]", "criteria: [{scope: newest}]", "on: {fail: explode}",
		"prometheus: {url: a, tokn: b}", "prometheus: {bearer: {token: secret}}", "prometheus: {partial: some}", "stages: []", "stages: {canary: 1}",
		"stages: [explode]", "stages: [{canary: some}]", "stages: [{traffic: 5}]", "stages: [{switch: now}]", "stages: [{canary: 1, test: {comand: [a]}}]",
		"stages: [{canary: 1, test: {command: []}}]", "stages: [{canary: 1, hold: long}]", "objects: []", "objects: {kind: Job}", "objects: [{name: web, wait: false}]", "objects: [{kind: Job}]",
		"objects: [{kind: Job, wiat: false}]", "objects: [{kind: Job, wait: maybe}]", "objects: [{kind: Job, timeout: long}]", "objects: [{kind: Job, criteria: errors}]",
		"recursive: sometimes", "history: many",
	} {
		_, err := fromFile((&program{}).runCommand().Flags(), nil, "c.yaml", []byte(text))
		if err == nil && text != "undo: maybe" { // which is found when all flags are there
			t.Errorf("the reader takes %q", text)
		}
		if err := s.Validate(asJSON(t, []byte(text))); err == nil {
			t.Errorf("the schema takes %q", text)
		}
	}
}

// TestConfigFilesNameTheSchema: an editor finds it by the first line.
func TestConfigFilesNameTheSchema(t *testing.T) {
	var document struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(configSchema, &document); err != nil {
		t.Fatal(err)
	}
	if want := "https://raw.githubusercontent.com/rolloutgate/rolloutgate/main/cmd/rolloutgate/" + configSchemaFile; document.ID != want {
		t.Errorf("the schema is %s, want %s", document.ID, want)
	}
	for path, text := range configFiles(t) {
		first, _, _ := strings.Cut(string(text), "\n")
		if want := "# yaml-language-server: $schema=" + document.ID; strings.HasPrefix(path, "examples/") && first != want {
			t.Errorf("%s begins with %q, want %q", path, first, want)
		}
	}
}

// TestSchemaCommand prints each of them, and says which there are.
func TestSchemaCommand(t *testing.T) {
	for _, s := range schemas() {
		var out bytes.Buffer
		p := &program{getenv: environment(nil), stdout: &out, stderr: &out}
		if code := p.execute(t.Context(), []string{"schema", s.name}); code != 0 || !json.Valid(out.Bytes()) {
			t.Errorf("schema %s: exit code %d\n%s", s.name, code, out.String())
		}
		checker(t, out.Bytes())
	}
	for _, args := range [][]string{{"schema"}, {"schema", "haiku"}, {"schema", "config", "report"}} {
		var out bytes.Buffer
		p := &program{getenv: environment(nil), stdout: &out, stderr: &out}
		if code := p.execute(t.Context(), args); code != 2 || !strings.Contains(out.String(), "hint: name one of config, report or events") {
			t.Errorf("%v: exit code %d\n%s", args, code, out.String())
		}
	}
}
