package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	"github.com/goreleaser/nfpm/v2/rpm"
)

const (
	documents = "/usr/share/doc/" + program
	terms     = "/usr/share/licenses/" + program
)

// packaging is one form of packages, and where it has what differs.
type packaging struct {
	ext     string
	packer  nfpm.Packager
	zsh     string
	licence string
	folders []string
}

func packagings() []packaging {
	return []packaging{
		{"deb", deb.Default, "/usr/share/zsh/vendor-completions", documents + "/copyright", nil},
		{"rpm", rpm.DefaultRPM, "/usr/share/zsh/site-functions", terms + "/LICENSE", []string{documents, terms}},
	}
}

// pack makes a package of the files of an archive. work is a folder of its own.
func (r release) pack(k packaging, p platform, all []file, work string) ([]byte, error) {
	contents := files.Contents{{
		Source: program, Destination: "/usr/bin/kubectl-rollout_gate", Type: files.TypeSymlink,
		FileInfo: &files.ContentFileInfo{MTime: r.date},
	}}
	for _, dir := range k.folders { // rpm removes no folder that nobody owns
		contents = append(contents, &files.Content{Destination: dir, Type: files.TypeDir,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o755, MTime: r.date}})
	}
	for _, f := range all {
		to := k.place(f.name)
		if to == "" {
			continue
		}
		if path.Ext(to) == ".gz" {
			var err error
			if f.data, err = gzipped(f.data); err != nil {
				return nil, err
			}
		}
		from := filepath.Join(work, path.Base(f.name))
		if err := os.WriteFile(from, f.data, 0o600); err != nil {
			return nil, err
		}
		contents = append(contents, &files.Content{Source: from, Destination: to,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: f.mode, MTime: r.date}})
	}
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: program, Arch: p.arch, Platform: p.os, Version: r.version, Release: "1", Section: "admin", Priority: "optional",
		Maintainer: authors + " <rolloutgate@users.noreply.github.com>", Vendor: authors,
		Description: about + "\nThe step between \"deploy\" and \"done\" in a pipeline: it applies manifests, watches the\nrollout, judges it with PromQL, says why it is bad and puts back what was there before.",
		Homepage:    project, License: licence, MTime: r.date, DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Contents: contents, Umask: 0o022,
			RPM: nfpm.RPM{BuildHost: program, Summary: about, Group: "Applications/System"},
		},
	})
	if err := nfpm.Validate(info); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := k.packer.Package(info, &out); err != nil {
		return nil, fmt.Errorf("packing a %s for %s: %w", k.ext, p, err)
	}
	return out.Bytes(), nil
}

// place is where a file of an archive is installed; empty: it is not.
func (k packaging) place(name string) string {
	switch {
	case name == program:
		return "/usr/bin/" + program
	case name == "LICENSE":
		return k.licence
	case path.Dir(name) == ".":
		return documents + "/" + name
	case path.Dir(name) == "man/man1":
		return "/usr/share/" + name + ".gz"
	case name == "completions/rolloutgate.bash":
		return "/usr/share/bash-completion/completions/" + program
	case name == "completions/_rolloutgate":
		return k.zsh + "/_" + program
	case name == "completions/rolloutgate.fish":
		return "/usr/share/fish/vendor_completions.d/rolloutgate.fish"
	}
	return ""
}
