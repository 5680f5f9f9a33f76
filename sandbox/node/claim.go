package node

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Clean removes what a node in dir left behind when the process that started it was killed. Its data stay; they are
// ordinary files. It is not needed before a Start in the same directory.
func Clean(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	lock, err := clearDir(dir)
	if err != nil {
		return fmt.Errorf("clearing the node in %s: %w", dir, err)
	}
	return lock.Close()
}

// clearDir locks the directory, then kills and removes what an earlier node left outside of it.
func clearDir(dir string) (lock *os.File, err error) {
	lock, err = os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errors.New("another process is running it")
	}
	if err == nil {
		err = killInside(dir)
	}
	if err == nil {
		err = errors.Join(removeBridge(bridgeName(dir)), removeCgroup(bridgeName(dir)))
	}
	if err != nil {
		lock.Close()
		return nil, err
	}
	return lock, nil
}

// parts are the directories of the node that belong to one life of it. Beside them stands the registry, whose blobs are
// kept: they are named by their content, and writing them is the slowest part of a first start.
var parts = []string{"containerd", "kubelet", "pods", "etc", "log"}

// claim makes the directory this process's own, and empty but for the registry.
func (n *Node) claim() error {
	dir := n.cfg.Dir
	if err := os.MkdirAll(filepath.Join(dir, "registry"), 0o755); err != nil {
		return err
	}
	lock, err := clearDir(dir)
	if err != nil {
		return fmt.Errorf("clearing an earlier node in %s: %w", dir, err)
	}
	n.lock = lock
	for _, part := range parts {
		path := filepath.Join(dir, part)
		if err := errors.Join(os.RemoveAll(path), os.Mkdir(path, 0o755)); err != nil {
			return fmt.Errorf("clearing an earlier node in %s: %w", dir, err)
		}
	}
	return nil
}
