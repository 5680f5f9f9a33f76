// Command release makes what is published of one version, byte for byte the same wherever it runs: archives for six
// platforms, Debian and RPM packages, an image, a manifest for krew, bills of materials and the checksums of all of it.
//
//	release dist --version v1.2.3 --out ../dist
//	release sandbox --version v1.2.3 --out ../dist --bin ../bin --components DIR
//
// It takes the checkout that it lies in and the Go toolchain that its own go.mod names. It never publishes
// anything. The second command packs the programs of the sandbox, which are built elsewhere.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say what to make: dist or sandbox")
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	root := flags.String("root", "..", "the checkout")
	out := flags.String("out", "../dist", "folder to write to; what is in it goes away")
	version := flags.String("version", "", "version, as git describe prints it")
	only := flags.String("platforms", "", "OS/ARCH,… instead of all")
	bin := flags.String("bin", "../bin", "folder with sandbox and testapp")
	components := flags.String("components", "", "folder that 'sandbox build' prints")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	r, err := newRelease(ctx, *root, *out, *version)
	if err != nil {
		return err
	}
	switch args[0] {
	case "dist":
		if *only != "" {
			if r.platforms, err = parsePlatforms(strings.Split(*only, ",")); err != nil {
				return err
			}
		}
		return r.dist(ctx)
	case "sandbox":
		return r.sandbox(*bin, *components)
	}
	return fmt.Errorf("there is no %q: say dist or sandbox", args[0])
}
