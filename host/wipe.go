package host

import (
	"errors"
	"io/fs"
	"os"
	"path"
)

// Wipe overwrites all files below a folder with zeros and removes what is in it, but not the folder. It
// follows no link and stays in the folder, whoever changes it meanwhile, and goes on after an error. What a file
// system or flash keeps of former content is not in its power.
func Wipe(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(wipe(root, "."), root.Close())
}

func wipe(root *os.Root, folder string) error {
	entries, err := fs.ReadDir(root.FS(), folder)
	problems := []error{err}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		switch {
		case e.IsDir():
			problems = append(problems, wipe(root, name))
		case e.Type().IsRegular():
			problems = append(problems, overwrite(root, name))
		}
		problems = append(problems, root.Remove(name))
	}
	d, err := root.Open(folder)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	return errors.Join(append(problems, err)...)
}

// overwrite writes zeros over all of a file.
func overwrite(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		blank := make([]byte, 64<<10)
		for at := int64(0); at < info.Size() && err == nil; at += int64(len(blank)) {
			_, err = f.WriteAt(blank[:min(int64(len(blank)), info.Size()-at)], at)
		}
	}
	return errors.Join(err, f.Sync(), f.Close())
}
