package objects

import (
	"context"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// shown is an object that only shows what is: nothing of it can be written, made or deleted.
type shown struct {
	model.Plain
	pub *model.Publisher
}

func (s *shown) add(tree *model.Tree, oid uint16) error {
	var err error
	s.pub, err = tree.AddRegistered(oid, s)
	return err
}

// Prepare refuses all changes: 4.05.
func (s *shown) Prepare(context.Context, *model.Edit) (model.Transaction, error) {
	def := s.pub.Definition()
	return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object %d (%s) shows what is and cannot be changed", def.ID, def.Name)
}
