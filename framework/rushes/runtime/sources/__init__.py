"""INPUT becomes clips: folders walked, manifests read, sources known again. Nothing is written."""
