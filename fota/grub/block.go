package grub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// maxBlock bounds an environment block, in bytes. Tools make one of 1,024.
const maxBlock = 64 << 10

// sector is what a disk writes whole or not at all, in bytes.
const sector = 512

// editTime bounds a run of grub-editenv.
const editTime = 20 * time.Second

// Tool is grub-editenv: it works on a block in a file and returns what it says.
type Tool func(ctx context.Context, file string, args ...string) (string, error)

// block is an environment block in a file.
type block struct {
	file string
	edit Tool
}

// program returns the name under which grub-editenv is here: the first one if it is
// not here.
func program() string {
	names := []string{"grub-editenv", "grub2-editenv"}
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return name
		}
	}
	return names[0]
}

// run is the Tool of this machine.
func run(ctx context.Context, file string, args ...string) (string, error) {
	name := program()
	ctx, cancel := context.WithTimeout(ctx, editTime)
	defer cancel()
	var out, trouble strings.Builder
	c := exec.CommandContext(ctx, name, append([]string{file}, args...)...)
	c.Stdout, c.Stderr, c.Env, c.WaitDelay = &out, &trouble, fota.Environ(), time.Second
	err := c.Run()
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return "", fmt.Errorf("there is no program %s: install GRUB's tools", name)
	case err != nil:
		return "", fmt.Errorf("%s: %w: %.300s", name, err, strings.TrimSpace(trouble.String()))
	}
	return out.String(), nil
}

// read returns the variables.
func (b *block) read(ctx context.Context) (map[string]string, error) {
	content, err := b.content()
	if err != nil {
		return nil, err
	}
	if len(content) == 0 { // grub-editenv would take it for a block without variables
		return nil, fmt.Errorf("the GRUB environment block %s is empty: make it anew with grub-editenv %s create", b.file, b.file)
	}
	text, err := b.edit(ctx, b.file, "list")
	if err != nil {
		return nil, fmt.Errorf("read the GRUB environment block %s: %w", b.file, err)
	}
	vars := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			vars[name] = value
		}
	}
	return vars, nil
}

func (b *block) content() ([]byte, error) {
	f, err := os.Open(b.file)
	if err != nil {
		return nil, fmt.Errorf("read the GRUB environment block: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	content, err := io.ReadAll(io.LimitReader(f, maxBlock+1))
	if err == nil && len(content) > maxBlock {
		err = fmt.Errorf("it has more than %d bytes", maxBlock)
	}
	if err != nil {
		return nil, fmt.Errorf("read the GRUB environment block %s: %w", b.file, err)
	}
	return content, nil
}

// set sets variables, all of them or, if it is cut, none.
func (b *block) set(ctx context.Context, vars map[string]string) error {
	before, err := b.content()
	if err != nil {
		return err
	}
	after, err := b.edited(ctx, before, vars)
	if err == nil {
		err = b.write(before, after)
	}
	if err != nil {
		return fmt.Errorf("change the GRUB environment block %s: %w", b.file, err)
	}
	return nil
}

// edited returns what grub-editenv makes of a block.
func (b *block) edited(ctx context.Context, before []byte, vars map[string]string) (after []byte, err error) {
	dir, err := os.MkdirTemp("", "grubenv")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := filepath.Join(dir, "grubenv")
	if err := os.WriteFile(name, before, 0o600); err != nil {
		return nil, err
	}
	args := []string{"set"}
	for _, v := range slices.Sorted(maps.Keys(vars)) {
		args = append(args, v+"="+vars[v])
	}
	if _, err := b.edit(ctx, name, args...); err != nil {
		return nil, err
	}
	return os.ReadFile(name)
}

// write writes what differs between two blocks of one length, in place, at once: no
// more than a sector.
func (b *block) write(before, after []byte) error {
	from, to, err := b.change(before, after)
	if err != nil || from == to {
		return err
	}
	f, err := b.open()
	if err != nil {
		return err
	}
	start := from / sector * sector
	_, err = f.WriteAt(after[start:min(start+sector, len(after))], int64(start))
	return errors.Join(err, f.Sync(), f.Close())
}

// open opens the file for writing. Each write is on the disk when it returns.
func (b *block) open() (*os.File, error) {
	return os.OpenFile(b.file, os.O_RDWR|unix.O_DSYNC|unix.O_NOFOLLOW, 0)
}

// change returns where two blocks differ, if that can be written at once.
func (b *block) change(before, after []byte) (from, to int, err error) {
	from, to = difference(before, after)
	if len(before) != len(after) {
		return 0, 0, fmt.Errorf("grub-editenv made %d bytes of its %d", len(after), len(before))
	}
	if to > from && from/sector != (to-1)/sector {
		return 0, 0, fmt.Errorf("a power cut could leave half of a change, since the variables of the slots reach over a multiple of %d bytes: make the block anew with these variables first", sector)
	}
	return from, to, nil
}

// difference returns the range of bytes in which two blocks differ.
func difference(a, b []byte) (from, to int) {
	n := min(len(a), len(b))
	for from < n && a[from] == b[from] {
		from++
	}
	for to = n; to > from && a[to-1] == b[to-1]; to-- {
	}
	return from, to
}
