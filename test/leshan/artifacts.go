package leshan

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lwm2m-agent/test/workspace"
)

//go:embed java
var java embed.FS

// DemoJar is the demo server: one jar with everything in it, of which Maven Central holds this version alone.
const DemoJar = "leshan-server-demo-2.0.0-M4-jar-with-dependencies.jar"

const (
	demoArtifact = "org.eclipse.leshan:leshan-server-demo:2.0.0-M4:jar:jar-with-dependencies"
	demoSHA256   = "6d1cf53a18d516f02ae0b7bc34dd06dac15f3d67797d163574dec4b5feecbd32"

	dependencyPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
)

// libraries returns the folder with the jars that the pom.xml of a folder names.
func libraries(t workspace.T, folder string) string {
	t.Helper()
	list := source(t, folder, "pom.xml")
	return workspace.Cached(t, "leshan-lib", []string{list}, func(dir string) error {
		pom := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(pom, []byte(list), 0o600); err != nil {
			return err
		}
		return maven(t, "-f", pom, dependencyPlugin+":copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+dir)
	})
}

// classPath returns the class path of our own Java programs in a folder, compiled: "java" has those on
// the newest Leshan, "java/bootstrap" the one on the newest with a bootstrap server.
func classPath(t workspace.T, folder string) string {
	t.Helper()
	lib := filepath.Join(libraries(t, folder), "*")
	names, err := fs.Glob(java, folder+"/*.java")
	if err != nil {
		t.Fatalf("list the Java sources: %v", err)
	}
	inputs := append(make([]string, 0, 1+len(names)), lib)
	for i, name := range names {
		names[i] = filepath.Base(name)
		inputs = append(inputs, source(t, folder, names[i]))
	}
	classes := workspace.Cached(t, "leshan-classes", inputs, func(dir string) error {
		for _, name := range names {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(source(t, folder, name)), 0o600); err != nil {
				return err
			}
		}
		cmd := exec.CommandContext(t.Context(), "javac", append([]string{"-encoding", "UTF-8", "-cp", lib, "-d", "."}, names...)...)
		cmd.Dir = dir
		return run(cmd)
	})
	return classes + string(os.PathListSeparator) + lib
}

// demo returns the path of the demo server's jar.
func demo(t workspace.T) string {
	t.Helper()
	dir := workspace.Cached(t, "leshan-demo", []string{demoArtifact, demoSHA256}, func(dir string) error {
		if err := maven(t, dependencyPlugin+":copy", "-Dartifact="+demoArtifact, "-DoutputDirectory="+dir); err != nil {
			return err
		}
		jar, err := os.ReadFile(filepath.Join(dir, DemoJar))
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(jar); hex.EncodeToString(sum[:]) != demoSHA256 {
			return fmt.Errorf("%s has SHA-256 %x, want %s", DemoJar, sum, demoSHA256)
		}
		return nil
	})
	return filepath.Join(dir, DemoJar)
}

func source(t workspace.T, folder, name string) string {
	t.Helper()
	text, err := java.ReadFile(folder + "/" + name)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return string(text)
}

// maven runs Maven with a repository in our own cache.
func maven(t workspace.T, arguments ...string) error {
	t.Helper()
	all := append([]string{"-q", "-B", "-Dmaven.repo.local=" + filepath.Join(workspace.Cache(t), "maven")}, arguments...)
	return run(exec.CommandContext(t.Context(), "mvn", all...))
}

func run(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out.String())
	}
	return nil
}
