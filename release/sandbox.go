package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// sandbox packs what 'sandbox build' has built, with the sandbox itself, so that a machine that can fetch it does not
// have to build it. The folder of the components keeps its name, by which the sandbox knows them.
func (r release) sandbox(bin, components string) error {
	if components == "" {
		return errors.New("--components: give the folder that 'sandbox build' prints")
	}
	programs, err := filesOf(components)
	if err != nil {
		return err
	}
	if len(programs) == 0 {
		return fmt.Errorf("there is no component in %s", components)
	}
	files := []file{}
	for _, f := range programs {
		files = append(files, file{name: "components/" + filepath.Base(components) + "/" + f.name, mode: 0o755, data: f.data})
	}
	for _, name := range []string{"sandbox", "testapp"} {
		data, err := os.ReadFile(filepath.Join(bin, name))
		if err != nil {
			return err
		}
		files = append(files, file{name: name, mode: 0o755, data: data})
	}
	var packed bytes.Buffer
	if err := tarGz(&packed, r.date, files); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-sandbox_%s_%s_%s.tar.gz", program, r.number(), runtime.GOOS, runtime.GOARCH)
	t := &told{out: r.out, sums: map[string]string{}}
	if err := t.write(name, packed.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %d MB\n", name, packed.Len()>>20)
	return os.WriteFile(filepath.Join(r.out, name+".sha256"), t.list(), 0o644)
}
