package main

import (
	"regexp"
	"strings"
	"testing"
)

// TestObjectsInPages: what the pages say of single objects can be read, and its expressions compile.
func TestObjectsInPages(t *testing.T) {
	found := 0
	for _, path := range pages(t) {
		for _, block := range regexp.MustCompile("(?ms)^```yaml\n(objects:.*?)^```").FindAllStringSubmatch(string(readFile(t, path)), -1) {
			found++
			file, err := fromFile((&program{}).runCommand().Flags(), nil, path, []byte(block[1]))
			if err != nil || len(file.objects) == 0 {
				t.Errorf("%s: %v\n%s", path, err, block[1])
			}
		}
	}
	if found == 0 {
		t.Error("no page has objects")
	}
}

// TestObjectAliases: anchors of YAML stand for what they name.
func TestObjectAliases(t *testing.T) {
	file, err := fromFile((&program{}).runCommand().Flags(), nil, "c.yaml", []byte("objects:\n- &slow {kind: Job, timeout: 1h}\n- *slow\n"))
	if err != nil || len(file.objects) != 2 || file.objects[1].Kind != "Job" {
		t.Errorf("%+v %v", file.objects, err)
	}
	_, err = fromFile((&program{}).runCommand().Flags(), nil, "c.yaml", []byte("objects: later"))
	if err == nil || !strings.Contains(err.Error(), "c.yaml:1:10: reading objects: not a list of objects") {
		t.Errorf("%v", err)
	}
}
