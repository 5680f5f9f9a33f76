package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// committedSums is where the checksums of a release stand in the repository, for the action to compare a download with.
const committedSums = ".github/checksums.txt"

// archive is the name of the archive for a platform, which krew takes as well.
func (r release) archive(p platform) string { return r.artifact(p.os + "_" + p.arch + ".tar.gz") }

// dist writes everything but the sandbox.
func (r release) dist(ctx context.Context) error {
	begin := time.Now()
	if err := os.RemoveAll(r.out); err != nil {
		return err
	}
	if err := os.MkdirAll(r.out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	built := map[platform]string{}
	for _, p := range r.platforms {
		fmt.Fprintf(os.Stderr, "%s: building for %s\n", time.Since(begin).Round(time.Second), p)
		if built[p], err = r.build(ctx, p, work); err != nil {
			return err
		}
	}
	host := platform{runtime.GOOS, runtime.GOARCH}
	if built[host] == "" { // the manual and the completions are the program's own words
		if built[host], err = r.build(ctx, host, work); err != nil {
			return err
		}
	}
	common, description, err := r.common(ctx, built[host])
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: packing\n", time.Since(begin).Round(time.Second))
	t := &told{out: r.out, sums: map[string]string{}}
	if err := r.packAll(ctx, t, built, common, work); err != nil {
		return err
	}
	manifest, err := r.krewManifest(description, t.sums)
	if err != nil {
		return err
	}
	if err := t.write(plugin+".yaml", manifest); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s: %d files in %s\n", time.Since(begin).Round(time.Second), len(t.sums)+1, r.out)
	return os.WriteFile(filepath.Join(r.out, sumsFile), t.list(), 0o644)
}

// common are the files that are the same for all platforms.
func (r release) common(ctx context.Context, binary string) ([]file, string, error) {
	words, err := readReference(ctx, binary)
	if err != nil {
		return nil, "", err
	}
	scripts, err := completions(ctx, binary)
	if err != nil {
		return nil, "", err
	}
	files := append(scripts, manuals(words, r.date)...)
	for _, name := range []string{"LICENSE", "README.md", "CHANGELOG.md"} {
		data, err := os.ReadFile(filepath.Join(r.root, name))
		if err != nil {
			return nil, "", err
		}
		files = append(files, file{name: name, mode: 0o644, data: data})
	}
	return files, words.Long, nil
}

func (r release) packAll(ctx context.Context, t *told, built map[platform]string, common []file, work string) error {
	texts, err := newLicences()
	if err != nil {
		return err
	}
	images := map[platform][]file{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, p := range r.platforms {
		modules, err := r.linkedModules(ctx, p)
		if err != nil {
			return err
		}
		notices, err := texts.thirdParty(modules[1:])
		if err != nil {
			return err
		}
		data, err := os.ReadFile(built[p])
		if err != nil {
			return err
		}
		bill, err := r.billOfMaterials(texts, p, built[p], data, modules)
		if err != nil {
			return err
		}
		if err := t.write(r.artifact(p.os+"_"+p.arch+".cdx.json"), bill); err != nil {
			return err
		}
		all := slices.Concat([]file{{name: p.program(), mode: 0o755, data: data}, notices}, common)
		images[p] = all
		r.packOne(group, t, p, all, work)
	}
	group.Go(func() error {
		data, err := r.image(images)
		if err != nil || data == nil {
			return err
		}
		return t.write(r.artifact("image.tar"), data)
	})
	return group.Wait()
}

// packOne makes the archives and packages for one platform.
func (r release) packOne(group *errgroup.Group, t *told, p platform, all []file, work string) {
	group.Go(func() error {
		var packed bytes.Buffer
		if err := tarGz(&packed, r.date, all); err != nil {
			return err
		}
		return t.write(r.archive(p), packed.Bytes())
	})
	switch p.os {
	case "windows":
		group.Go(func() error {
			var packed bytes.Buffer
			if err := zipped(&packed, r.date, all); err != nil {
				return err
			}
			return t.write(r.artifact(p.os+"_"+p.arch+".zip"), packed.Bytes())
		})
	case "linux":
		for _, k := range packagings() {
			group.Go(func() error {
				dir := filepath.Join(work, k.ext+"_"+p.arch)
				if err := os.Mkdir(dir, 0o700); err != nil {
					return err
				}
				packed, err := r.pack(k, p, all, dir)
				if err != nil {
					return err
				}
				return t.write(r.artifact(p.os+"_"+p.arch+"."+k.ext), packed)
			})
		}
	}
}

// told writes files and remembers their checksums.
type told struct {
	out  string
	mu   sync.Mutex
	sums map[string]string
}

func (t *told) write(name string, data []byte) error {
	sum := sha256.Sum256(data)
	t.mu.Lock()
	t.sums[name] = hex.EncodeToString(sum[:])
	t.mu.Unlock()
	return os.WriteFile(filepath.Join(t.out, name), data, 0o644)
}

// list is what sha256sum --check reads.
func (t *told) list() []byte {
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(t.sums)) {
		fmt.Fprintf(&list, "%s  %s\n", t.sums[name], name)
	}
	return []byte(list.String())
}
