package plain

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"lwm2m-agent/fota"
)

// block is how much is read, hashed and written at a time, in bytes. The kernel is
// told to write each one at once, so that it does so while the next one is hashed.
const block = 1 << 20

// target is the device of a part of a slot.
type target struct {
	*os.File
	size int64
}

// openTarget opens a device, or a file of a fixed length in its place. A block
// device that is mounted or otherwise in use is refused by the kernel (open(2),
// O_EXCL without O_CREAT).
func openTarget(name string) (target, error) {
	info, err := os.Stat(name)
	if err != nil {
		return target{}, fmt.Errorf("the slot's device: %w", err)
	}
	flags := os.O_RDWR
	switch mode := info.Mode(); {
	case mode.IsRegular():
	case mode&os.ModeDevice != 0 && mode&os.ModeCharDevice == 0:
		flags |= unix.O_EXCL
	default:
		return target{}, fmt.Errorf("the slot's device %s is neither a block device nor a file", name)
	}
	f, err := os.OpenFile(name, flags, 0)
	if errors.Is(err, unix.EBUSY) {
		return target{}, fmt.Errorf("the slot's device %s is in use (mounted?): it is not written to", name)
	}
	if err != nil {
		return target{}, fmt.Errorf("the slot's device: %w", err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return target{}, errors.Join(fmt.Errorf("the length of the slot's device: %w", err), f.Close())
	}
	return target{f, size}, nil
}

// targets are the devices of a slot, by the names of its parts.
type targets map[string]*target

// openTargets opens all devices of a slot, or none.
func openTargets(s *Slot) (targets, error) {
	all := make(targets)
	for _, p := range s.Parts {
		t, err := openTarget(p.Device)
		if err != nil {
			all.close()
			return nil, err
		}
		all[p.Name] = &t
	}
	return all, nil
}

func (a targets) close() {
	for _, t := range a {
		_ = t.Close() // it is synced
	}
}

// write writes an image to a device, makes sure that it is there, and compares what
// the device then holds. The image is read from r to its end, as a Package gives it.
// What lies behind the image on the device stays. Its first block is written last:
// until then there is nothing on the device that could be mounted or booted.
func (t *target) write(ctx context.Context, i Image, r io.Reader) error {
	if i.Size > t.size {
		return fota.Failf(fota.NoStorage, "the image %s has %d bytes, %s has %d", i.Name, i.Size, t.Name(), t.size)
	}
	if err := t.copy(r); err != nil {
		return err
	}
	return t.verify(ctx, i)
}

// copy writes an image, whose reader knows at its end whether it is the right one: the
// first block, without which it is of no use, when that is sure.
func (t *target) copy(r io.Reader) error {
	head := make([]byte, block)
	n, err := io.ReadFull(r, head)
	if head = head[:n]; err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if err := t.place(make([]byte, n)); err != nil {
		return err
	}
	if err := t.copyFrom(r, int64(n)); err != nil {
		return err
	}
	return t.place(head)
}

// place writes the beginning of the device.
func (t *target) place(head []byte) error {
	_, err := t.WriteAt(head, 0)
	if err == nil {
		err = t.Sync()
	}
	if err != nil {
		return fmt.Errorf("write the slot: %w", err)
	}
	return nil
}

// copyFrom writes blocks one behind the other.
func (t *target) copyFrom(r io.Reader, at int64) error {
	buffer := make([]byte, block)
	for {
		n, err := io.ReadFull(r, buffer)
		if n > 0 {
			if _, err := t.WriteAt(buffer[:n], at); err != nil {
				return fmt.Errorf("write the slot: %w", err)
			}
			_ = unix.SyncFileRange(int(t.Fd()), at, int64(n), unix.SYNC_FILE_RANGE_WRITE) // a hint
			at += int64(n)
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			if err := t.Sync(); err != nil {
				return fmt.Errorf("write the slot: %w", err)
			}
			return nil
		default:
			return err
		}
	}
}

// verify reads the image from the device: what the kernel has in memory is dropped
// first.
func (t *target) verify(ctx context.Context, i Image) error {
	_ = unix.Fadvise(int(t.Fd()), 0, i.Size, unix.FADV_DONTNEED) // of a file system in memory it changes nothing
	sum := sha256.New()
	n, err := io.CopyBuffer(sum, struct{ io.Reader }{until{ctx, io.NewSectionReader(t, 0, i.Size)}}, make([]byte, block))
	if err != nil {
		return fmt.Errorf("read the slot back: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != i.Size || got != i.Sum {
		return fota.Failf(fota.UpdateFailed, "%s does not hold what was written to it: SHA-256 %.12s over %d bytes, want %.12s over %d; the storage is failing", t.Name(), got, n, i.Sum, i.Size)
	}
	return nil
}

// room returns how many bytes a device has; it need not be free for that.
func room(name string) (int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	return f.Seek(0, io.SeekEnd)
}
