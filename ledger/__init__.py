"""What happened, who signed it, where it stands in the tree. Looks at nobody."""
