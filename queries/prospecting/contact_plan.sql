-- Which contacts to make within the budget? At most one channel a person: each euro goes where it
-- brings most. Who must not be contacted stays out, whatever the candidates say of their value.
SELECT * FROM contact_plan(candidates, budget => $budget)
