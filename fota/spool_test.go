package fota

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
)

// TestSpool shows that bytes are taken while the disk is busy, as many as there is room
// for, and written in order before what is done then.
func TestSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := make(chan struct{})
		var written bytes.Buffer
		s := startSpool(func(b []byte) error {
			<-disk
			_, err := written.Write(b)
			return err
		})
		content := make([]byte, 3*spoolPart*spoolParts+17)
		_, _ = rand.NewChaCha8([32]byte{}).Read(content)
		taken, flushed := 0, make(chan int, 1)
		go func() {
			for rest := content; len(rest) > 0; {
				n := min(len(rest), 1000)
				if err := s.put(rest[:n]); err != nil {
					t.Error(err)
				}
				taken, rest = taken+n, rest[n:]
			}
			if err := s.flush(func() error {
				flushed <- written.Len()
				return nil
			}); err != nil {
				t.Error(err)
			}
			s.close()
		}()
		synctest.Wait()
		if taken < spoolPart*(spoolParts-1) || taken > spoolPart*spoolParts || written.Len() > 0 {
			t.Errorf("%d bytes are taken and %d written while the disk is busy, want almost %d and none", taken, written.Len(), spoolPart*spoolParts)
		}
		close(disk)
		synctest.Wait()
		if n := <-flushed; n != len(content) || !bytes.Equal(written.Bytes(), content) {
			t.Errorf("%d bytes were written, and %d when they were flushed, of %d", written.Len(), n, len(content))
		}
		<-s.ended
	})
}

// TestSpoolThatFails shows that who fills a spool is told of a disk that fails, and that
// nothing is written or done after that.
func TestSpoolThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errDisk, writes := errors.New("disk full"), 0
		s := startSpool(func([]byte) error {
			if writes++; writes == 3 {
				return errDisk
			}
			return nil
		})
		var err error
		puts := 0
		for ; err == nil && puts < 1000; puts++ {
			err = s.put(make([]byte, spoolPart))
		}
		if !errors.Is(err, errDisk) {
			t.Errorf("%d parts were put: %v", puts, err)
		}
		if err := s.flush(func() error { t.Error("after a failure something is done"); return nil }); !errors.Is(err, errDisk) {
			t.Errorf("flush: %v", err)
		}
		if s.close(); writes != 3 {
			t.Errorf("%d writes", writes)
		}
	})
}

// TestSyncThatFails shows that a download ends when its bytes cannot be brought to disk.
func TestSyncThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startSpool(func([]byte) error { return nil })
		errSync := errors.New("input/output error")
		if err := s.put([]byte("a")); err != nil {
			t.Error(err)
		}
		s.hand(part{then: func() error { return errSync }})
		synctest.Wait()
		if err := s.put([]byte("b")); !errors.Is(err, errSync) {
			t.Errorf("put: %v", err)
		}
		s.close()
	})
}
