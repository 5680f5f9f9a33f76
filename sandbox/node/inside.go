package node

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Sockets in the node's private /run.
const (
	containerdSocket = "/run/containerd/containerd.sock"
	registrySocket   = "/run/registry.sock"
)

//go:embed inside.sh
var insideScript string

// inside is the process tree in its own namespaces, held by its first process.
type inside struct {
	dir   string
	cmd   *exec.Cmd
	leash io.WriteCloser
	done  chan struct{} // closed when the first process is gone, and with it all others
}

// startInside starts containerd and the registry; the kubelet and kube-proxy wait for startKubernetes. The arguments are
// those of inside.sh after the directory.
func startInside(dir string, arguments []string) (*inside, error) {
	log, err := os.Create(filepath.Join(dir, "log", "inside.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := append([]string{"-c", insideScript, "rolloutgate-node", dir}, arguments...)
	cmd := exec.Command("/bin/sh", args...)
	// The environment is empty but for PATH: a proxy or a KUBECONFIG of the caller must not steer the node.
	cmd.Env = []string{"PATH=" + sbinPath, "HOME=/root"}
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownNamespaces()
	leash, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the first process in its own namespaces: %w", err)
	}
	in := &inside{dir: dir, cmd: cmd, leash: leash, done: make(chan struct{})}
	go func() {
		cmd.Wait()
		close(in.done)
	}()
	pid := cmd.Process.Pid
	if err := os.WriteFile(in.pidFile(), fmt.Appendf(nil, "%d %s\n", pid, startTime(pid)), 0o644); err != nil {
		return in, err
	}
	return in, nil
}

func (in *inside) pidFile() string { return filepath.Join(in.dir, "inside.pid") }

func (in *inside) startKubernetes() error {
	_, err := io.WriteString(in.leash, "start\n")
	return err
}

// dial reaches a socket in the node's mount namespace through /proc, which root may.
func (in *inside) dial(ctx context.Context, socket string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/%d/root%s", in.cmd.Process.Pid, socket))
}

// waitFor returns when the socket accepts connections.
func (in *inside) waitFor(ctx context.Context, socket string) error {
	for {
		conn, err := in.dial(ctx, socket)
		if err == nil {
			return conn.Close()
		}
		if err := in.pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("waiting for %s: %w", socket, err)
		}
	}
}

// pause waits, and ends early with an error when waiting has become pointless.
func (in *inside) pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("%w%s", ctx.Err(), in.lastWords())
	case <-in.done:
		return fmt.Errorf("the node ended by itself%s", in.lastWords())
	case <-time.After(d):
		return nil
	}
}

// stop lets go of the leash, and kills if that does not help.
func (in *inside) stop() error {
	in.leash.Close()
	select {
	case <-in.done:
	case <-time.After(5 * time.Second):
		in.cmd.Process.Kill()
		<-in.done
	}
	return os.Remove(in.pidFile())
}

// lastWords is the end of each log, for an error message.
func (in *inside) lastWords() string {
	var b strings.Builder
	for _, name := range []string{"inside", "docker-registry", "containerd", "kubelet", "kube-proxy"} {
		file := filepath.Join(in.dir, "log", name+".log")
		text, err := os.ReadFile(file)
		if err != nil || len(text) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(&b, "\n%s:\n  %s", file, strings.Join(lines[max(0, len(lines)-5):], "\n  "))
	}
	return b.String()
}

// killInside ends a node whose starter is gone but whose first process is, for a moment or for good, still there.
func killInside(dir string) error {
	file := filepath.Join(dir, "inside.pid")
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pidText, start, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	pid, err := strconv.Atoi(pidText)
	if err != nil || pid < 2 {
		return os.Remove(file)
	}
	// The start time tells the process from a later one with the same number.
	for end := time.Now().Add(10 * time.Second); startTime(pid) == start && start != ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("process %d does not die", pid)
		}
		syscall.Kill(pid, syscall.SIGKILL)
	}
	return os.Remove(file)
}

// startTime is when the process started, in clock ticks since boot, or "" for one that is dead or a zombie. The first
// process of a PID namespace becomes a zombie only after all others in it are gone.
func startTime(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	return parseStartTime(string(text))
}

// parseStartTime reads field 22 of /proc/PID/stat. The name in field 2 may hold spaces and brackets, so counting begins
// after the last bracket.
func parseStartTime(stat string) string {
	i := strings.LastIndexByte(stat, ')')
	fields := strings.Fields(stat[i+1:])
	if i < 0 || len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}
