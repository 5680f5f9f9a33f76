package components

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Stand-ins take the place of modules that a component links without a use for them here, and that cost more to compile
// than the component itself: a description of Prometheus' API as an OpenAPI document, and the SDKs with which it can
// write to the monitoring of three clouds. Each has just the names that Prometheus asks for, and says what is missing
// when it is used. Nothing else of any component is changed.
//
//go:embed _standins
var standinFiles embed.FS

const standinRoot = "_standins"

// standins are the paths of the modules; their files are below _standins.
var standins = []string{
	"github.com/Azure/azure-sdk-for-go/sdk/azcore",
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity",
	"github.com/pb33f/libopenapi",
	"github.com/pb33f/libopenapi-validator",
	"github.com/prometheus/sigv4",
	"google.golang.org/api",
}

// writeStandins writes the modules below dir and returns the lines of a go.mod there that put them in place.
func writeStandins(dir string) ([]byte, error) {
	var replace []byte
	files, err := fs.Sub(standinFiles, standinRoot)
	if err != nil {
		return nil, err
	}
	root := filepath.Join(dir, "standins")
	if err := os.CopyFS(root, files); err != nil {
		return nil, err
	}
	for _, module := range standins {
		mod := filepath.Join(root, filepath.FromSlash(module), "go.mod")
		if err := os.WriteFile(mod, []byte("module "+module+"\n\ngo 1.26.0\n"), 0o644); err != nil {
			return nil, err
		}
		replace = fmt.Appendf(replace, "replace %s => ./%s\n", module, path.Join("standins", module))
	}
	return replace, nil
}

// standinTexts are the names and contents of all files, for the key of what is built with them.
func standinTexts() []string {
	var texts []string
	err := fs.WalkDir(standinFiles, standinRoot, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(standinFiles, name)
		texts = append(texts, name, string(text))
		return err
	})
	if err != nil {
		panic(errors.Join(errors.New("files that are part of this program"), err))
	}
	return texts
}
