package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
)

func runConfig(ctx context.Context, c *call) error {
	socket, asJSON := c.socketFlag(), c.jsonFlag()
	noWait := c.flags.Bool("no-wait", false, "apply, rollback: do not wait for the servers to be reached")
	if err := c.parse(1, 2); err != nil {
		return err
	}
	agent := control.NewClient(*socket)
	switch action := c.args[0]; {
	case action == "show" && len(c.args) == 1:
		return c.showConfig(ctx, agent, *asJSON)
	case action == "diff":
		return c.diffConfig(ctx, agent, *asJSON)
	case action == "apply" && len(c.args) == 2:
		return c.applyConfig(ctx, agent, *noWait)
	case action == control.ConfigurationRollback && len(c.args) == 1:
		return c.transact(ctx, agent, *noWait, func() error { return agent.ActOnConfiguration(ctx, action) })
	case (action == control.ConfigurationConfirm || action == control.ConfigurationResetAccounts) && len(c.args) == 1:
		return agent.ActOnConfiguration(ctx, action)
	}
	return usageError("needs %s", c.command.arguments)
}

func (c *call) showConfig(ctx context.Context, agent *control.Client, asJSON bool) error {
	shown, err := agent.Configuration(ctx)
	switch {
	case err != nil:
		return err
	case asJSON:
		return c.printJSON(shown)
	}
	fmt.Fprintf(c.stdout, "# %s, SHA-256 %s\n", shown.State, shown.Hash)
	for line := range strings.Lines(shown.Message) {
		fmt.Fprintf(c.stdout, "# %s\n", safe(strings.TrimSpace(line)))
	}
	fmt.Fprintf(c.stdout, "\n%s", shown.Active)
	return nil
}

// diffConfig shows what a file would change, or what transactions have changed.
func (c *call) diffConfig(ctx context.Context, agent *control.Client, asJSON bool) error {
	var plan control.Plan
	if len(c.args) == 1 {
		shown, err := agent.Configuration(ctx)
		if err != nil {
			return err
		}
		plan.Changes = append([]string{}, shown.Changes...)
	} else {
		text, err := c.candidate()
		if err != nil {
			return err
		}
		if plan, err = agent.PlanConfiguration(ctx, control.ConfigurationValidate, text); err != nil {
			return c.ofFile(err)
		}
	}
	if asJSON {
		return c.printJSON(plan)
	}
	c.printPlan(&plan)
	return nil
}

func (c *call) printPlan(plan *control.Plan) {
	for _, change := range plan.Changes {
		fmt.Fprintln(c.stdout, safe(change))
	}
	if len(plan.Changes) == 0 {
		fmt.Fprintln(c.stdout, "nothing differs")
	}
	if len(plan.Restart) > 0 {
		fmt.Fprintf(c.stdout, "from the next start of the agent on: %s\n", strings.Join(plan.Restart, ", "))
	}
}

// candidate reads the file that is to be applied; "-" is standard input.
func (c *call) candidate() (string, error) {
	in := c.stdin
	if name := c.args[1]; name != "-" {
		f, err := os.Open(name) //nolint:gosec // the user names it
		if err != nil {
			return "", err
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, config.MaxCandidate+1))
	return string(text), err
}

// ofFile names the file in what is wrong with a candidate.
func (c *call) ofFile(err error) error {
	refusal, ok := errors.AsType[*control.Refusal](err)
	if !ok || refusal.Code != "4.00" {
		return err
	}
	text := strings.ReplaceAll("\n"+refusal.Message, "\n"+config.CandidateName+":", "\n"+c.args[1]+":")
	return config.Problems{{Text: text[1:]}}
}

func (c *call) applyConfig(ctx context.Context, agent *control.Client, noWait bool) error {
	text, err := c.candidate()
	if err != nil {
		return err
	}
	return c.transact(ctx, agent, noWait, func() error {
		plan, err := agent.PlanConfiguration(ctx, control.ConfigurationApply, text)
		if err != nil {
			return c.ofFile(err)
		}
		c.printPlan(&plan)
		return nil
	})
}

// pollTime is how often the agent is asked whether a transaction is over.
const pollTime = 200 * time.Millisecond

// transact begins a transaction and waits for its end.
func (c *call) transact(ctx context.Context, agent *control.Client, noWait bool, begin func() error) error {
	before, err := agent.Configuration(ctx)
	if err != nil {
		return err
	}
	if err := begin(); err != nil || noWait {
		return err
	}
	ticker := time.NewTicker(pollTime)
	defer ticker.Stop()
	for told := false; ; told = true {
		now, err := agent.Configuration(ctx)
		if err != nil {
			return err
		}
		if now.Until.IsZero() && now.State != "awaiting confirmation" {
			return c.outcome(&before, &now)
		}
		if !told && !now.Until.IsZero() {
			fmt.Fprintf(c.stderr, "on trial until %s: waiting for the servers; an interrupt ends the waiting only\n", c.clock(now.Until, c.now()))
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the trial goes on until %s; \"lwm2m-agent config show\" tells its end: %w", now.Until.In(c.zone).Format(time.TimeOnly), ctx.Err())
		}
	}
}

// outcome tells how a transaction has ended.
func (c *call) outcome(before, now *control.Configuration) error {
	if len(now.History) == 0 || len(before.History) > 0 && before.History[0].At.Equal(now.History[0].At) {
		return nil // it changed nothing
	}
	last := now.History[0]
	switch {
	case last.Result == "reverted" && before.State == "awaiting confirmation": // it was to end that trial
		fmt.Fprintf(c.stdout, "the configuration of before is back: %s\n", safe(last.Reason))
		return nil
	case last.Result == "reverted":
		return fmt.Errorf("the configuration of before is back: %s", safe(last.Reason))
	}
	fmt.Fprintf(c.stdout, "kept: %s\n", safe(last.Reason))
	return nil
}
