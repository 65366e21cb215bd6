package rig

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"

	"lwm2m-agent/test/workspace"
)

// The partitions of a machine's disk, in MiB. The first MiB is free for a boot loader; the first partition has its environment.
const (
	bootMiB  = 8
	slotMiB  = 48
	stateMiB = 128
	mib      = 1 << 20
)

const diskFile = "disk.img"

// makeDisk writes a machine's disk: what the boot loader needs, slot A with an image, an empty slot B, and the state.
func makeDisk(t workspace.T, p *Platform, dir, slotA string) error {
	t.Helper()
	disk, err := os.Create(filepath.Join(dir, diskFile))
	if err != nil {
		return err
	}
	none, state := t.TempDir(), filepath.Join(dir, "state.img")
	const slotAt, stateAt = (1 + bootMiB) * mib, (1 + bootMiB + 2*slotMiB) * mib
	return errors.Join(
		p.install(t, dir, disk),
		copyAt(disk, slotA, slotAt),
		makeFS(t, none, state, stateMiB, "none,extents,filetype,has_journal,sparse_super"),
		copyAt(disk, state, stateAt),
		disk.Truncate(stateAt+stateMiB*mib),
		disk.Close(),
	)
}

// partition writes the table of partitions into the disk's first sector.
func partition(sector []byte) {
	const table, entry = 446, 16
	start := uint32(mib / 512)
	for i, size := range []uint32{bootMiB, slotMiB, slotMiB, stateMiB} {
		e := sector[table+i*entry:][:entry]
		clear(e)    // GRUB's has code for floppies there
		e[4] = 0x83 // Linux
		binary.LittleEndian.PutUint32(e[8:], start)
		binary.LittleEndian.PutUint32(e[12:], size*mib/512)
		start += size * mib / 512
	}
	sector[510], sector[511] = 0x55, 0xaa
}

// copyAt copies a file to a place on the disk.
func copyAt(disk *os.File, from string, at int64) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.NewOffsetWriter(disk, at), f)
	return err
}
