namespace KFac.Nn;

/// <summary>A named array of float32 in a safetensors file.</summary>
/// <param name="Name">Unique within the file.</param>
/// <param name="Shape">Sizes; none for a single number.</param>
/// <param name="Values">Row-major, as many as the product of the sizes.</param>
public sealed record SafetensorsTensor(string Name, IReadOnlyList<int> Shape, ReadOnlyMemory<float> Values);
