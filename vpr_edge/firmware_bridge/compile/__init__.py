"""From a TFLite file to a folder of C: import, rewrite, plan, emit; and golden vectors."""
