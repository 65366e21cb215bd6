// Command libraries does in a few lines what the agent needs libraries for, and nothing else: its size is what
// a program with HTTP, TLS, TOML, a database and D-Bus has before the agent's own first line.
package main

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/godbus/dbus/v5"
	"go.etcd.io/bbolt"
)

func main() {
	if err := use(os.Args[1:]); err != nil {
		slog.New(slog.NewTextHandler(os.Stderr, nil)).Error("failed", slog.Any("error", err))
		os.Exit(1)
	}
}

// use reads a TOML file, stores it, publishes it on D-Bus, fetches something and serves it.
func use(args []string) error {
	if len(args) != 3 {
		return os.ErrInvalid
	}
	var settings map[string]any
	if _, err := toml.DecodeFile(args[0], &settings); err != nil {
		return err
	}
	text, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	db, err := bbolt.Open(args[1], 0o600, nil)
	if err != nil {
		return err
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists([]byte("settings"))
		if err != nil {
			return err
		}
		return b.Put([]byte("all"), text)
	}); err != nil {
		return err
	}
	bus, err := dbus.ConnectSystemBus()
	if err != nil {
		return err
	}
	if err := bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").Call("Introspect", 0).Err; err != nil {
		return err
	}
	answer, err := http.Get(args[2])
	if err != nil {
		return err
	}
	page, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(page)
	})}
	return server.ListenAndServe()
}
