namespace KFac.Nn;

/// <summary>Which examples train, validate and test; indices from 0, none in two parts.</summary>
public sealed record DataSplit(IReadOnlyList<int> Train, IReadOnlyList<int> Validation, IReadOnlyList<int> Test);
