namespace KFac.Kernels.Cuda;

/// <summary>Names of the kernels that take a group of matrices through the steps of a blocked factorisation together, a step for each block of
/// columns: all are loaded, a step is a pivot, its panel, and an update of the rest, and all are stored.</summary>
/// <param name="operation">What the names begin with.</param>
/// <param name="type">Of the numbers, with which they end.</param>
internal sealed class StepKernels(string operation, string type)
{
    public string Load { get; } = $"{operation}_load_{type}";

    public string Pivot { get; } = $"{operation}_pivot_{type}";

    public string Panel { get; } = $"{operation}_panel_{type}";

    public string Update { get; } = $"{operation}_update_{type}";

    public string Store { get; } = $"{operation}_store_{type}";
}
